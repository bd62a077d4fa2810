package main

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const region = "eu-west-1"

var today = time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")

// An object is `size` bytes of an endless repetition of the block, from a place that its key decides.
var (
	block []byte // the block, and after it as much of it again as one piece may reach
	span  int64  // the length of the block itself
)

const longestPiece = 1 << 20

func loadBlock(file string) error {
	read, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	span = int64(len(read))
	if span < longestPiece {
		return fmt.Errorf("%s: the block must have at least %d bytes", file, longestPiece)
	}
	block = append(read, read[:longestPiece]...)
	return nil
}

// object is what a key says: `many/00012-16777216.bin` has 16,777,216 bytes.
type object struct {
	size  int64
	start int64
	etag  string // without quotes
}

var sizeInKey = regexp.MustCompile(`(\d+)\.[a-z]+$`)

func objectOf(key string) (object, bool) {
	found := sizeInKey.FindStringSubmatch(key)
	if found == nil {
		return object{}, false
	}
	size, err := strconv.ParseInt(found[1], 10, 64)
	digest := md5.Sum([]byte(key))
	return object{
		size:  size,
		start: int64(binary.BigEndian.Uint64(digest[:8]) % uint64(span)),
		etag:  hex.EncodeToString(digest[:]),
	}, err == nil
}

// pieces are the bytes from first up to, not including, end.
func (o object) pieces(first, end int64) [][]byte {
	var all [][]byte
	for first < end {
		at := (o.start + first) % span
		length := min(end-first, longestPiece)
		all = append(all, block[at:at+length])
		first += length
	}
	return all
}

var checksums sync.Map // by key

// By the key's ending: how its checksum was stored. `.bin` has the one that boto3 stores with an upload.
var algorithms = map[string]struct {
	field string
	make  func() hash.Hash
}{
	"bin":   {"x-amz-checksum-crc32", func() hash.Hash { return crc32.NewIEEE() }},
	"iscsi": {"x-amz-checksum-crc32c", func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
	"nvme":  {"x-amz-checksum-crc64nvme", func() hash.Hash { return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) }},
}

// checksum is its header lines; none for an ending that stores none.
func (o object) checksum(key string) string {
	if known, ok := checksums.Load(key); ok {
		return known.(string)
	}
	algorithm, ok := algorithms[key[strings.LastIndexByte(key, '.')+1:]]
	if !ok {
		return ""
	}
	digest := algorithm.make()
	for _, piece := range o.pieces(0, o.size) {
		_, _ = digest.Write(piece)
	}
	made := algorithm.field + ": " + base64.StdEncoding.EncodeToString(digest.Sum(nil)) +
		"\r\nx-amz-checksum-type: FULL_OBJECT\r\n"
	checksums.Store(key, made)
	return made
}

func getObject(key string, asked *request) answer {
	found, ok := objectOf(key)
	if !ok {
		return refuse("404 Not Found", "NoSuchKey", "The specified key does not exist.")
	}
	if wanted := asked.fields["if-match"]; wanted != "" && strings.Trim(wanted, `"`) != found.etag {
		return refuse("412 Precondition Failed", "PreconditionFailed",
			"At least one of the pre-conditions you specified did not hold")
	}
	status, first, end, extra := "200 OK", int64(0), found.size, ""
	if wanted := asked.fields["range"]; wanted != "" {
		if first, end, ok = parseRange(wanted, found.size); !ok {
			return refuse("416 Requested Range Not Satisfiable", "InvalidRange", "The requested range is not satisfiable")
		}
		status = "206 Partial Content"
		extra = fmt.Sprintf("Content-Range: bytes %d-%d/%d\r\n", first, end-1, found.size)
	} else if strings.EqualFold(asked.fields["x-amz-checksum-mode"], "enabled") {
		// As S3: only for the whole object, and only when asked.
		extra = found.checksum(key)
	}
	head := fmt.Appendf(nil, "HTTP/1.1 %s\r\nx-amz-id-2: bench\r\nx-amz-request-id: BENCH0000000000\r\nDate: %s\r\n"+
		"Last-Modified: %s\r\nETag: \"%s\"\r\nx-amz-server-side-encryption: AES256\r\nAccept-Ranges: bytes\r\n%s"+
		"Content-Type: binary/octet-stream\r\nContent-Length: %d\r\nServer: AmazonS3\r\n\r\n",
		status, today, lastModified.Format("Mon, 02 Jan 2006 15:04:05 GMT"), found.etag, extra, end-first)
	return answer{head: head, body: found.pieces(first, end)}
}

// parseRange understands `bytes=1-2`, `bytes=1-` and `bytes=-2`; end is the first byte not wanted.
func parseRange(wanted string, size int64) (first, end int64, ok bool) {
	from, to, found := strings.Cut(strings.TrimPrefix(wanted, "bytes="), "-")
	if !found {
		return 0, 0, false
	}
	if from == "" {
		last, err := strconv.ParseInt(to, 10, 64)
		return max(0, size-last), size, err == nil && last > 0 && size > 0
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil || first >= size {
		return 0, 0, false
	}
	if to == "" {
		return first, size, true
	}
	last, err := strconv.ParseInt(to, 10, 64)
	return first, min(last+1, size), err == nil && last >= first
}
