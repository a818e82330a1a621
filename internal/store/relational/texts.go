package relational

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// The body of a transcript is a byte string of our own and not JSON, because
// a reply may hold any bytes and none may change:
//
//	version
//	messages: count, then for each role and either its content or the digest
//	          of a row in prompts
//	raw, native reasoning
//	reasoning, answer: each the place in one of those two where it stands, as
//	          it nearly always does, or itself
//	parts: count, then for each kind, start, end
//
// Version 2 goes on, and is written only where there is something to go on with:
//
//	sections: which of the following there are, added up
//	1, failure: body, whether it was truncated, then a count and the classes of the
//	            attempts before the last one
//	2, sampling: the parameters of generation, as JSON
//
// Strings are preceded by their length, numbers are varints.
const (
	textsVersion         = 1
	textsVersionSections = 2

	sectionFailure  uint64 = 1
	sectionSampling uint64 = 2
)

const (
	contentInline byte = 0
	contentPrompt byte = 1
)

// Where an excerpt stands.
const (
	excerptInline byte = 0
	excerptRaw    byte = 1
	excerptNative byte = 2
)

// promptMin is the length in bytes from which a message is kept in prompts.
// Below it the digest and the row would cost more than they save.
const promptMin = 512

// digest identifies a prompt by its content.
type digest = [sha256.Size]byte

// prompt is a message's content that is kept once for a run.
type prompt struct {
	digest  digest
	content string
}

// appendTexts appends the body of a transcript to b and returns the prompts it
// refers to.
func appendTexts(b []byte, t *run.Transcript) (body []byte, prompts []prompt) {
	sections := sectionsOf(t)
	version := byte(textsVersion)
	if sections != 0 {
		version = textsVersionSections
	}
	b = append(b, version)
	b = binary.AppendUvarint(b, uint64(len(t.Messages)))
	for _, m := range t.Messages {
		b = appendString(b, m.Role)
		if len(m.Content) < promptMin {
			b = append(b, contentInline)
			b = appendString(b, m.Content)
			continue
		}
		p := prompt{digest: sha256.Sum256([]byte(m.Content)), content: m.Content}
		prompts = append(prompts, p)
		b = append(b, contentPrompt)
		b = append(b, p.digest[:]...)
	}
	b = appendString(b, t.Reply.Raw)
	b = appendString(b, t.Reply.NativeReasoning)
	b = appendExcerpt(b, t, t.Parsed.Reasoning)
	b = appendExcerpt(b, t, t.Parsed.Answer)
	b = binary.AppendUvarint(b, uint64(len(t.Parsed.Parts)))
	for _, p := range t.Parsed.Parts {
		b = appendString(b, string(p.Kind))
		b = binary.AppendVarint(b, int64(p.Start))
		b = binary.AppendVarint(b, int64(p.End))
	}
	if sections != 0 {
		b = binary.AppendUvarint(b, sections)
	}
	if sections&sectionFailure != 0 {
		b = appendFailure(b, t.Error)
	}
	if sections&sectionSampling != 0 {
		s, _ := json.Marshal(t.Sampling) //nolint:errchkjson // a plan's numbers are finite
		b = appendString(b, string(s))
	}
	return b, prompts
}

// sectionsOf says which sections a transcript has.
func sectionsOf(t *run.Transcript) (sections uint64) {
	if t.Error != nil && (t.Error.Body != "" || t.Error.BodyTruncated || len(t.Error.EarlierClasses) > 0) {
		sections |= sectionFailure
	}
	if t.Sampling != nil {
		sections |= sectionSampling
	}
	return sections
}

// sections reads what follows the parts in version 2.
func (d *textDecoder) sections(t *run.Transcript) {
	sections := d.uint()
	if sections&^(sectionFailure|sectionSampling) != 0 || (sections&sectionFailure != 0 && t.Error == nil) {
		d.fail()
		return
	}
	if sections&sectionFailure != 0 {
		d.failure(t.Error)
	}
	if sections&sectionSampling != 0 {
		var s model.Sampling
		if text := d.string(); d.err == nil && json.Unmarshal([]byte(text), &s) != nil {
			d.fail()
		}
		t.Sampling = &s
	}
}

func appendFailure(b []byte, e *run.SampleError) []byte {
	b = appendString(b, e.Body)
	truncated := uint64(0)
	if e.BodyTruncated {
		truncated = 1
	}
	b = binary.AppendUvarint(b, truncated)
	b = binary.AppendUvarint(b, uint64(len(e.EarlierClasses)))
	for _, class := range e.EarlierClasses {
		b = appendString(b, string(class))
	}
	return b
}

// failure reads what appendFailure wrote.
func (d *textDecoder) failure(e *run.SampleError) {
	e.Body, e.BodyTruncated = d.string(), d.uint() == 1
	for range d.count() {
		e.EarlierClasses = append(e.EarlierClasses, model.ErrorClass(d.string()))
	}
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendExcerpt(b []byte, t *run.Transcript, s string) []byte {
	for _, in := range []struct {
		form byte
		text string
	}{{excerptRaw, t.Reply.Raw}, {excerptNative, t.Reply.NativeReasoning}} {
		if i := strings.Index(in.text, s); s != "" && i >= 0 {
			b = append(b, in.form)
			b = binary.AppendUvarint(b, uint64(i))
			return binary.AppendUvarint(b, uint64(len(s)))
		}
	}
	return appendString(append(b, excerptInline), s)
}

// decodeTexts puts the texts of a body into t. content is asked for the
// prompts that it refers to.
func decodeTexts(b []byte, t *run.Transcript, content func(digest) (string, error)) error {
	d := textDecoder{rest: b}
	version := d.byte()
	if d.err == nil && version != textsVersion && version != textsVersionSections {
		return fmt.Errorf("%w: version %d", ErrDamaged, version)
	}
	for range d.count() {
		m := model.Message{Role: d.string()}
		switch form := d.byte(); {
		case d.err != nil:
		case form == contentInline:
			m.Content = d.string()
		case form == contentPrompt:
			var sum digest
			copy(sum[:], d.bytes(len(sum)))
			if d.err == nil {
				m.Content, d.err = content(sum)
			}
		default:
			d.fail()
		}
		if d.err != nil {
			return d.err
		}
		t.Messages = append(t.Messages, m)
	}
	t.Reply.Raw, t.Reply.NativeReasoning = d.string(), d.string()
	t.Parsed.Reasoning, t.Parsed.Answer = d.excerpt(t), d.excerpt(t)
	for range d.count() {
		p := transcript.Part{Kind: transcript.PartKind(d.string()), Start: d.int(), End: d.int()}
		if d.err != nil {
			return d.err
		}
		t.Parsed.Parts = append(t.Parsed.Parts, p)
	}
	if version == textsVersionSections {
		d.sections(t)
	}
	if d.err == nil && len(d.rest) != 0 {
		d.fail()
	}
	return d.err
}

// textDecoder reads a body from the front. After an error it returns zeros.
type textDecoder struct {
	rest []byte
	err  error
}

func (d *textDecoder) fail() {
	d.rest = nil
	if d.err == nil {
		d.err = ErrDamaged
	}
}

func (d *textDecoder) bytes(n int) []byte {
	if d.err != nil || n > len(d.rest) {
		d.fail()
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *textDecoder) byte() byte {
	b := d.bytes(1)
	if d.err != nil {
		return 0
	}
	return b[0]
}

// count reads a length. What it counts takes at least a byte each, so a
// damaged body cannot ask for more than it holds.
func (d *textDecoder) count() int {
	v := d.uint()
	if v > uint64(len(d.rest)) {
		d.fail()
		return 0
	}
	return int(v)
}

func (d *textDecoder) string() string { return string(d.bytes(d.count())) }

// excerpt reads what appendExcerpt wrote. It shares memory with the text it
// stands in.
func (d *textDecoder) excerpt(t *run.Transcript) string {
	var text string
	switch form := d.byte(); form {
	case excerptInline:
		return d.string()
	case excerptRaw:
		text = t.Reply.Raw
	case excerptNative:
		text = t.Reply.NativeReasoning
	default:
		d.fail()
	}
	start, size := d.uint(), d.uint()
	if d.err != nil || start > uint64(len(text)) || size > uint64(len(text))-start {
		d.fail()
		return ""
	}
	return text[start : start+size]
}

func (d *textDecoder) uint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *textDecoder) int() int {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return int(v)
}
