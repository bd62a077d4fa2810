package main

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

var lastModified = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A bucket's name says what is in it: `flat-200000`, or `tree-200000-200` for 200 prefixes of 1,000 keys each.
// Every other bucket lists as empty; any object can be read from any bucket.
var bucketName = regexp.MustCompile(`^(flat|tree)-(\d+)(?:-(\d+))?$`)

type entry struct {
	key  string
	size int64
	etag string
}

var (
	catalogues = map[string][]entry{}
	catalogue  sync.Mutex
)

func entriesOf(bucket string) []entry {
	catalogue.Lock()
	defer catalogue.Unlock()
	if known, ok := catalogues[bucket]; ok {
		return known
	}
	var made []entry
	if found := bucketName.FindStringSubmatch(bucket); found != nil {
		number, _ := strconv.Atoi(found[2])
		prefixes, _ := strconv.Atoi(found[3])
		made = make([]entry, 0, number)
		for n := 0; n < number; n++ {
			key := fmt.Sprintf("flat/part-%09d-16384.bin", n)
			if found[1] == "tree" && prefixes > 0 {
				each := (number + prefixes - 1) / prefixes
				key = fmt.Sprintf("tree/day=%04d/part-%09d-16384.bin", n/each, n%each)
			}
			found, _ := objectOf(key)
			made = append(made, entry{key: key, size: found.size, etag: found.etag})
		}
	}
	sort.Slice(made, func(a, b int) bool { return made[a].key < made[b].key })
	catalogues[bucket] = made
	return made
}

// modified differs from key to key, as in life: a client that caches one timestamp gains nothing.
func modified(n int) string {
	return lastModified.Add(time.Duration(n) * time.Second).Format("2006-01-02T15:04:05.000Z")
}

// asIs leaves out what XML would need to escape; no key here has it, but a prefix asked for may.
func asIs(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}

func encoded(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(text), "%2F", "/"), "%2A", "*")
}

func listObjects(bucket string, query url.Values) answer {
	entries := entriesOf(bucket)
	prefix, delimiter := query.Get("prefix"), query.Get("delimiter")
	most := 1000
	if text := query.Get("max-keys"); text != "" {
		asked, err := strconv.Atoi(text)
		if err != nil || asked < 0 {
			return refuse("400 Bad Request", "InvalidArgument", "max-keys")
		}
		most = min(asked, most)
	}
	after := query.Get("start-after")
	if token := query.Get("continuation-token"); token != "" {
		known, err := base64.URLEncoding.DecodeString(token)
		if err != nil {
			return refuse("400 Bad Request", "InvalidArgument", "The continuation token provided is incorrect")
		}
		after = string(known)
	}
	name := asIs
	if query.Get("encoding-type") == "url" {
		name = encoded
	}

	at := sort.Search(len(entries), func(n int) bool { return entries[n].key > after })
	if prefix > after {
		at = sort.Search(len(entries), func(n int) bool { return entries[n].key >= prefix })
	}
	// A continuation after a common prefix goes on after everything in it.
	if delimiter != "" && strings.HasSuffix(after, delimiter) {
		at = endOf(entries, after)
	}
	body := make([]byte, 0, 400*most+1000)
	var common []string
	count, last := 0, ""
	for at < len(entries) && count < most && strings.HasPrefix(entries[at].key, prefix) {
		key := entries[at].key
		if delimiter != "" {
			if cut := strings.Index(key[len(prefix):], delimiter); cut >= 0 {
				last = key[:len(prefix)+cut+len(delimiter)]
				common = append(common, last)
				at = endOf(entries, last)
				count++
				continue
			}
		}
		body = append(body, "<Contents><Key>"...)
		body = append(body, name(key)...)
		body = append(body, "</Key><LastModified>"...)
		body = append(body, modified(at)...)
		body = append(body, "</LastModified><ETag>&quot;"...)
		body = append(body, entries[at].etag...)
		body = append(body, "&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>"...)
		body = strconv.AppendInt(body, entries[at].size, 10)
		body = append(body, "</Size><StorageClass>STANDARD</StorageClass></Contents>"...)
		last = key
		at++
		count++
	}
	more := most > 0 && at < len(entries) && strings.HasPrefix(entries[at].key, prefix)

	head := fmt.Appendf(nil, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"+
		"<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>%s</Name><Prefix>%s</Prefix>", bucket, name(prefix))
	if token := query.Get("continuation-token"); token != "" {
		head = fmt.Appendf(head, "<ContinuationToken>%s</ContinuationToken>", token)
	}
	if more {
		head = fmt.Appendf(head, "<NextContinuationToken>%s</NextContinuationToken>",
			base64.URLEncoding.EncodeToString([]byte(last)))
	}
	if start := query.Get("start-after"); start != "" {
		head = fmt.Appendf(head, "<StartAfter>%s</StartAfter>", name(start))
	}
	head = fmt.Appendf(head, "<KeyCount>%d</KeyCount><MaxKeys>%d</MaxKeys>", count, most)
	if delimiter != "" {
		head = fmt.Appendf(head, "<Delimiter>%s</Delimiter>", name(delimiter))
	}
	if query.Get("encoding-type") == "url" {
		head = append(head, "<EncodingType>url</EncodingType>"...)
	}
	head = fmt.Appendf(head, "<IsTruncated>%t</IsTruncated>", more)
	for _, each := range common {
		body = fmt.Appendf(body, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", name(each))
	}
	body = append(body, "</ListBucketResult>"...)
	return chunked(append(head, body...))
}

// endOf is the place of the first key after every key that begins with prefix.
func endOf(entries []entry, prefix string) int {
	return sort.Search(len(entries), func(n int) bool {
		return entries[n].key > prefix && !strings.HasPrefix(entries[n].key, prefix)
	})
}

// chunked: S3 sends lists so, not with a length.
func chunked(document []byte) answer {
	head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nx-amz-id-2: bench\r\nx-amz-request-id: BENCH0000000000\r\nDate: %s\r\n"+
		"x-amz-bucket-region: %s\r\nContent-Type: application/xml\r\nTransfer-Encoding: chunked\r\nServer: AmazonS3\r\n\r\n",
		today, region)
	body := make([]byte, 0, len(document)+256)
	for len(document) > 0 {
		size := min(len(document), 64<<10)
		body = fmt.Appendf(body, "%x\r\n", size)
		body = append(append(body, document[:size]...), "\r\n"...)
		document = document[size:]
	}
	return answer{head: head, body: [][]byte{append(body, "0\r\n\r\n"...)}}
}
