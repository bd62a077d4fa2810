// Server answers like S3, fast enough not to be the limit of a benchmark: objects are windows on one block of random
// bytes, and lists are made from keys held in order. Nothing is stored, no signature is verified.
//
// It listens on one port for each -listen, with that port's latency to the first byte and bandwidth per connection,
// and prints the ports on one line of standard output, in the order asked for. It ends when standard input ends.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// terms are what a port adds to every answer.
type terms struct {
	latency time.Duration // to the first byte of every answer
	rate    int64         // bytes per second of one connection; 0: as fast as it goes
}

// parseTerms reads `10ms` or `10ms/100` (MiB per second).
func parseTerms(text string) (terms, error) {
	latency, rate, capped := strings.Cut(text, "/")
	delay, err := time.ParseDuration(latency)
	if err != nil || !capped {
		return terms{latency: delay}, err
	}
	mebibytes, err := strconv.ParseFloat(rate, 64)
	return terms{latency: delay, rate: int64(mebibytes * (1 << 20))}, err
}

type listens []terms

func (l *listens) String() string { return "" }

func (l *listens) Set(text string) error {
	parsed, err := parseTerms(text)
	*l = append(*l, parsed)
	return err
}

func main() {
	var ports listens
	certificate := flag.String("certificate", "", "PEM file: certificate and key")
	block := flag.String("block", "", "file of random bytes that the objects are windows on")
	flag.Var(&ports, "listen", "latency, or latency/MiB-per-second; once for each port")
	flag.Parse()

	pair, err := tls.LoadX509KeyPair(*certificate, *certificate)
	if err != nil {
		log.Fatal(err)
	}
	if err := loadBlock(*block); err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
		// Records of full size from the first byte: the latency asked for is on the port, not in the handshake.
		DynamicRecordSizingDisabled: true,
	}
	var numbers []string
	for _, each := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		numbers = append(numbers, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
		go serve(listener, config, each)
	}
	fmt.Println(strings.Join(numbers, " "))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func serve(listener net.Listener, config *tls.Config, port terms) {
	for {
		raw, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go converse(tls.Server(raw, config), port)
	}
}
