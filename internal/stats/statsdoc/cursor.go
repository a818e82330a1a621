package statsdoc

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// kind is the JSON type of a scalar.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	compound // an array or object, which no column takes
)

// scalar is one value of a table. Text points into the input.
type scalar struct {
	kind   kind
	text   []byte
	number float64 // also 1 for true
}

// cursor walks JSON that encoding/json has found valid. It exists because a
// table has millions of short values, and the decoder of encoding/json
// allocates several times for each.
type cursor struct {
	data []byte
	at   int
}

// next skips white space and separators and returns the byte that begins the
// next value or closes the array, or 0 at the end.
func (c *cursor) next() byte {
	for ; c.at < len(c.data); c.at++ {
		switch b := c.data[c.at]; b {
		case ' ', '\t', '\r', '\n', ',':
		default:
			return b
		}
	}
	return 0
}

// open enters an array; it returns false if the next value is not one.
func (c *cursor) open() bool {
	if c.next() != '[' {
		return false
	}
	c.at++
	return true
}

// more says whether the present array holds another value; if not, it leaves
// the array.
func (c *cursor) more() bool {
	switch c.next() {
	case ']':
		c.at++
		return false
	case 0:
		return false
	default:
		return true
	}
}

// value consumes the next value; ok is false for a number too large for a
// float64.
func (c *cursor) value() (v scalar, ok bool) {
	switch b := c.next(); b {
	case '"':
		return c.text(), true
	case '[', '{':
		c.skip()
		return scalar{kind: compound}, true
	case 'n', 't', 'f':
		c.literal()
		if b == 'n' {
			return scalar{kind: null}, true
		}
		v = scalar{kind: boolean}
		if b == 't' {
			v.number = 1
		}
		return v, true
	default:
		f, err := strconv.ParseFloat(string(c.literal()), 64)
		return scalar{kind: number, number: f}, err == nil
	}
}

// literal consumes a number, true, false or null.
func (c *cursor) literal() []byte {
	start := c.at
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return c.data[start:c.at]
		}
		c.at++
	}
	return c.data[start:]
}

// quoted consumes a string with its quotes.
func (c *cursor) quoted() []byte {
	start := c.at
	for c.at++; c.at < len(c.data); c.at++ {
		switch c.data[c.at] {
		case '\\':
			c.at++
		case '"':
			c.at++
			return c.data[start:c.at]
		}
	}
	return c.data[start:min(c.at, len(c.data))]
}

func (c *cursor) text() scalar {
	raw := c.quoted()
	if plain := raw[1 : len(raw)-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return scalar{kind: text, text: plain}
	}
	// Escapes and invalid bytes are rare: leave them to the standard decoder.
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return scalar{kind: compound}
	}
	return scalar{kind: text, text: []byte(s)}
}

// skip consumes an array or object.
func (c *cursor) skip() {
	depth := 0
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case '"':
			c.quoted()
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		c.at++
		if depth == 0 {
			return
		}
	}
}
