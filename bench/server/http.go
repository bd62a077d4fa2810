package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// counts since the server began, or since they were last asked for with reset: what a client really sent.
type counts struct {
	connections, requests, bytes atomic.Int64
}

var seen counts

type request struct {
	method string
	path   string // decoded, without the leading slash
	query  url.Values
	fields map[string]string // names in lower case
}

// An answer: head is everything up to and with the empty line; body is written after it, in pieces that are never copied.
type answer struct {
	head []byte
	body [][]byte
}

const largestHead = 64 << 10

// converse answers the requests of one connection, one after the other, until the client goes.
func converse(connection *tls.Conn, port terms) {
	defer connection.Close()
	seen.connections.Add(1)
	in := bufio.NewReaderSize(connection, largestHead)
	out := &paced{connection: connection, rate: port.rate}
	for {
		asked, err := readRequest(in)
		if err != nil {
			return
		}
		seen.requests.Add(1)
		if port.latency > 0 {
			time.Sleep(port.latency)
		}
		given := respond(asked)
		if out.send(given) != nil || asked.fields["connection"] == "close" {
			return
		}
	}
}

func readRequest(in *bufio.Reader) (*request, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	method, rest, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
	target, _, _ := strings.Cut(rest, " ")
	fields := make(map[string]string, 12)
	for {
		line, err = in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := strings.Cut(string(line), ":")
		fields[strings.ToLower(name)] = textproto.TrimString(value)
	}
	if length := fields["content-length"]; length != "" && length != "0" {
		return nil, fmt.Errorf("a body is not read: %s %s", method, target)
	}
	rawPath, rawQuery, _ := strings.Cut(target, "?")
	path, err := url.PathUnescape(rawPath)
	if err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(rawQuery)
	return &request{method: method, path: strings.TrimPrefix(path, "/"), query: query, fields: fields}, err
}

// paced writes at most rate bytes a second. Small answers leave in one record.
type paced struct {
	connection *tls.Conn
	rate       int64
	buffer     []byte
}

const oneRecord = 16 << 10

func (p *paced) send(given answer) error {
	p.buffer = append(p.buffer[:0], given.head...)
	for _, piece := range given.body {
		if len(p.buffer)+len(piece) <= 4*oneRecord {
			p.buffer = append(p.buffer, piece...)
			continue
		}
		// Fill up the record that the head began, so that the rest leaves in whole ones, straight from the block.
		first := min(oneRecord-len(p.buffer)%oneRecord, len(piece))
		p.buffer = append(p.buffer, piece[:first]...)
		piece = piece[first:]
		if err := p.write(p.buffer); err != nil {
			return err
		}
		p.buffer = p.buffer[:0]
		if err := p.write(piece); err != nil {
			return err
		}
	}
	if len(p.buffer) == 0 {
		return nil
	}
	return p.write(p.buffer)
}

func (p *paced) write(piece []byte) error {
	seen.bytes.Add(int64(len(piece)))
	if p.rate == 0 {
		_, err := p.connection.Write(piece)
		return err
	}
	for len(piece) > 0 {
		step := min(int64(len(piece)), max(p.rate/100, oneRecord))
		began := time.Now()
		if _, err := p.connection.Write(piece[:step]); err != nil {
			return err
		}
		piece = piece[step:]
		time.Sleep(time.Duration(step*int64(time.Second)/p.rate) - time.Since(began))
	}
	return nil
}

func plain(status string, contentType string, body []byte) answer {
	head := fmt.Appendf(nil, "HTTP/1.1 %s\r\nx-amz-request-id: BENCH0000000000\r\nDate: %s\r\nContent-Type: %s\r\n"+
		"Server: AmazonS3\r\nContent-Length: %d\r\n\r\n", status, today, contentType, len(body))
	return answer{head: head, body: [][]byte{body}}
}

func refuse(status, code, message string) answer {
	return plain(status, "application/xml", fmt.Appendf(nil,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message>"+
			"<RequestId>BENCH0000000000</RequestId><HostId>bench</HostId></Error>", code, message))
}

func respond(asked *request) answer {
	if asked.path == "-/counts" {
		given := fmt.Appendf(nil, `{"connections": %d, "requests": %d, "bytes": %d}`,
			seen.connections.Load(), seen.requests.Load(), seen.bytes.Load())
		if asked.query.Has("reset") {
			seen.connections.Store(0)
			seen.requests.Store(0)
			seen.bytes.Store(0)
		}
		return plain("200 OK", "application/json", given)
	}
	if !strings.HasPrefix(asked.fields["authorization"], "AWS4-HMAC-SHA256 Credential=") {
		return refuse("403 Forbidden", "AccessDenied", "Every client signs its requests here")
	}
	bucket, key, _ := strings.Cut(asked.path, "/")
	switch {
	case key != "" && asked.method == "GET":
		return getObject(key, asked)
	case key != "" && asked.method == "HEAD":
		given := getObject(key, asked)
		given.body = nil
		return given
	case key == "" && asked.method == "GET" && asked.query.Get("list-type") == "2":
		return listObjects(bucket, asked.query)
	case key == "" && asked.method == "HEAD":
		given := plain("200 OK", "application/xml", nil)
		given.head = bytes.Replace(given.head, []byte("\r\n"), []byte("\r\nx-amz-bucket-region: "+region+"\r\n"), 1)
		return given
	}
	return refuse("501 Not Implemented", "NotImplemented", asked.method+" "+strconv.Quote(asked.path))
}
