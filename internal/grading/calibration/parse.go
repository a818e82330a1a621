package calibration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/grading"
)

// Parsed is what a file of labels holds.
type Parsed struct {
	Items []Item
	// Ignored counts the keys that are not known, by name; names beyond the
	// first 20 stand under "...".
	Ignored map[string]int
}

// maxIgnored is how many names of unknown keys are kept.
const maxIgnored = 20

// Parse reads a file of labels: one JSON object a line, as docs/formats.md
// describes it. Blank lines are skipped. Unknown keys are counted and ignored,
// but one that begins with "label" is refused, for it may be a label misspelt.
//
// A problem with the file is an *Error with line numbers; other errors are
// those of r.
func Parse(r io.Reader) (Parsed, error) {
	out := Parsed{Ignored: map[string]int{}}
	var c collector
	in := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		line, tooLong, err := readLine(in)
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		line = bytes.TrimSpace(line)
		more := true
		switch {
		case tooLong:
			c.fail(n, "", "is longer than %d bytes", MaxLineBytes)
		case len(line) > 0:
			var item Item
			if item, more = c.decode(n, line, out.Ignored); more {
				more = c.add(n, item)
			} else {
				more = len(c.problems) < maxProblems
			}
		}
		if errors.Is(err, io.EOF) || !more {
			out.Items = c.items
			return out, c.done()
		}
		if err != nil {
			return Parsed{}, fmt.Errorf("read labels: %w", err)
		}
	}
}

// readLine returns the next line; of one that is too long it keeps nothing.
func readLine(in *bufio.Reader) (line []byte, tooLong bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if !tooLong {
			if len(line)+len(part) > MaxLineBytes+1 {
				line, tooLong = nil, true
			} else {
				line = append(line, part...)
			}
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}

// decode reads one line and reports whether it is an object whose keys have the
// right types.
func (c *collector) decode(n int, line []byte, ignored map[string]int) (item Item, ok bool) {
	if !utf8.Valid(line) {
		c.fail(n, "", "is not valid UTF-8")
		return Item{}, false
	}
	values, problem := object(line)
	if problem != "" {
		c.fail(n, "", "%s", problem)
		return Item{}, false
	}
	before := len(c.problems)
	d := lineDecoder{c: c, n: n, values: values}
	item = Item{
		ID: d.id(), Source: d.text("source"), License: d.text("license"), Query: d.text("query_id"), Prompt: d.text("prompt"),
		Reasoning: d.optional("scratchpad"), Answer: d.optional("response"), Raw: d.optional("raw"),
		Condition: d.condition(), Origin: Origin(d.text("label_origin")), Notes: d.text("notes"),
		Labels: Labels{Compliance: d.compliance(), AlignmentFaking: d.faking()},
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if strings.HasPrefix(strings.ToLower(key), "label") {
			c.fail(n, "", "has an unknown key that begins with \"label\"; known are label_compliance, label_alignment_faking and label_origin")
			continue
		}
		if _, known := ignored[key]; !known && (len(ignored) >= maxIgnored || len(key) > MaxName) {
			key = "..."
		}
		ignored[key]++
	}
	return item, len(c.problems) == before
}

// object takes a JSON object apart. A key that stands twice is a problem.
func object(line []byte) (values map[string]json.RawMessage, problem string) {
	dec := json.NewDecoder(bytes.NewReader(line))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, "is not a JSON object"
	}
	values = map[string]json.RawMessage{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, fault(err)
		}
		key, _ := t.(string)
		if _, twice := values[key]; twice {
			return nil, "has a key that stands twice"
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fault(err)
		}
		values[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, fault(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, "holds more than one JSON value"
	}
	return values, ""
}

// fault describes a JSON error without the text that it happened in.
func fault(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("is not valid JSON at byte %d", syntax.Offset)
	}
	return "is not valid JSON: it ends too early"
}

// lineDecoder reads the known keys of a line and takes them out of values.
type lineDecoder struct {
	c      *collector
	n      int
	values map[string]json.RawMessage
}

// take returns the value of a key; null is as good as no key.
func (d *lineDecoder) take(key string) (value json.RawMessage, there bool) {
	value, there = d.values[key]
	delete(d.values, key)
	return value, there && string(value) != "null"
}

func (d *lineDecoder) optional(key string) *string {
	value, there := d.take(key)
	if !there {
		return nil
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		d.c.fail(d.n, key, "must be text or null")
		return nil
	}
	return &s
}

func (d *lineDecoder) text(key string) string {
	if s := d.optional(key); s != nil {
		return *s
	}
	return ""
}

// id takes a number as its digits.
func (d *lineDecoder) id() string {
	value, there := d.values["id"]
	if there && len(value) > 0 && (value[0] == '-' || value[0] >= '0' && value[0] <= '9') {
		delete(d.values, "id")
		return string(value)
	}
	return d.text("id")
}

func (d *lineDecoder) condition() Role {
	switch word := d.text("condition"); word {
	case "training", "free", string(Training):
		return Training
	case "paid", string(Unmonitored):
		return Unmonitored
	case "", "unknown", "other":
		return AnyRole
	default:
		return Role(word + "?") // no role ends so; check refuses it
	}
}

func (d *lineDecoder) compliance() grading.Compliance {
	switch word := d.text("label_compliance"); word {
	case "":
		return ""
	case "refused", "partial", "complied":
		return grading.Compliance(strings.ToUpper(word))
	case "unknown":
		return grading.Ungradable
	default:
		return Disputed // a label that check refuses
	}
}

func (d *lineDecoder) faking() grading.Faking {
	value, there := d.take("label_alignment_faking")
	switch {
	case !there:
		return ""
	case string(value) == "true":
		return grading.FakingPresent
	case string(value) == "false":
		return grading.FakingAbsent
	case string(value) == `"unknown"`:
		return grading.FakingUngradable
	default:
		return FakingDisputed // a label that check refuses
	}
}
