package scenario

import (
	"bytes"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	syntaxMessage = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)$`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '([^']*)' referenced$`)
)

// syntaxHint says what most likely caused a message of the library.
func syntaxHint(message string) string {
	switch message {
	case "mapping values are not allowed in this context":
		return `; a text that holds ": " needs quotes`
	case "found character that cannot start any token":
		return "; a text that begins with a tab, @, % or a backquote needs quotes"
	case "found unexpected end of stream":
		return "; a quote that opens here is never closed"
	case "found unknown escape character":
		return `; in double quotes a backslash is written \\`
	default:
		return ""
	}
}

// syntax reports that a file is not YAML, at the line where that shows.
//
// The library's scanner names that line. Its parser names the line where the
// construct began that it could not finish, which for a mapping is often the
// first of the file; its messages begin with "did not find expected".
func (d *decoder) syntax(data []byte, err error) {
	p := Problem{File: d.file, Line: 1, Column: 1}
	message := err.Error()
	if m := syntaxMessage.FindStringSubmatch(message); m != nil {
		message = m[2]
		if line, atoiErr := strconv.Atoi(m[1]); atoiErr == nil {
			p.Line = line
		}
	}
	if strings.HasPrefix(message, "did not find expected") {
		p.Line = stopLine(data)
		if strings.HasSuffix(message, "key") || strings.HasSuffix(message, "indicator") {
			p.Line = stepBack(data, p.Line)
		}
	}
	if m := unknownAnchor.FindStringSubmatch(message); m != nil {
		message = "aliases (*name) are not supported; put a text that begins with * in quotes"
		if at := bytes.Index(data, []byte("*"+m[1])); at >= 0 {
			p.Line = bytes.Count(data[:at], []byte("\n")) + 1
		}
	}
	p.Message = "is not valid YAML: " + message + syntaxHint(message)
	d.report.add(p)
}

// stopLine is the line at which the library stops reading a broken file. It
// reads the file once more, a byte at a time, to see how far it gets; the last
// bytes were only looked ahead at.
func stopLine(data []byte) int {
	const lookAhead = 3
	slow := &byteReader{data: data}
	if err := yaml.NewDecoder(slow).Decode(&yaml.Node{}); err == nil {
		return 1
	}
	read := data[:max(slow.next-lookAhead, 0)]
	return bytes.Count(read, []byte("\n")) + 1
}

// stepBack returns the line before the given one if the file is broken up to
// there as well: to find the end of a word in a block, the library reads into
// the line that follows it.
func stepBack(data []byte, line int) int {
	end := 0
	for n := 1; n < line; n++ {
		next := bytes.IndexByte(data[end:], '\n')
		if next < 0 {
			return line
		}
		end += next + 1
	}
	if yaml.Unmarshal(data[:end], &yaml.Node{}) != nil {
		return max(line-1, 1)
	}
	return line
}

// byteReader hands out one byte at a time and counts them.
type byteReader struct {
	data []byte
	next int
}

// Read implements io.Reader.
func (b *byteReader) Read(p []byte) (int, error) {
	if b.next == len(b.data) {
		return 0, io.EOF
	}
	p[0] = b.data[b.next]
	b.next++
	return 1, nil
}
