package judge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// Ballot is one vote as it was read, before its quotes are looked for.
type Ballot struct {
	// Label is the answer.
	Label string
	// Findings have the quotes: one for a label, one for each criterion in the
	// order of the question, one for each behaviour in the order asked.
	Findings []Finding
}

// Finding is what a vote says of one criterion or behaviour.
type Finding struct {
	Met   bool
	Part  grading.EvidencePart
	Quote string
}

// Why a vote is missing, as counted in polls.
const (
	// causeUnreadable: the reply is not exactly the JSON object that was asked for.
	causeUnreadable = "UNREADABLE"
	// causeNonce: the reply does not repeat this request's nonce.
	causeNonce = "WRONG_NONCE"
	// causeCut: the token limit cut the reply.
	causeCut = "CUT_OFF"
	// causeWithheld: the provider's filter withheld the reply.
	causeWithheld = "WITHHELD"
	// causeTooLong: the reply is longer than any answer could be.
	causeTooLong = "TOO_LONG"
	// causeNoReply: the model gave no reply after its bounded retries.
	causeNoReply = "NO_REPLY"
	// causeVoid: the quote that a positive answer rests on is not in the text.
	causeVoid = "VOID_QUOTE"
)

// Bounds of what is read.
const (
	maxReplyBytes = 64 << 10
	maxQuoteBytes = 4 << 10
	maxDepth      = 4
)

// readBallot reads a reply strictly. cause is "" when it could be read.
func readBallot(q question, ids []string, nonce string, r model.Reply) (b Ballot, cause string) {
	switch r.FinishReason {
	case transcript.FinishLength:
		return b, causeCut
	case transcript.FinishContentFilter:
		return b, causeWithheld
	}
	if len(r.Raw) > maxReplyBytes {
		return b, causeTooLong
	}
	o, err := readObject(unwrap(r.Raw))
	if err != nil {
		return b, causeUnreadable
	}
	got, ok := o["nonce"].(string)
	switch {
	case !ok:
		return b, causeUnreadable
	case got != nonce:
		return b, causeNonce
	}
	delete(o, "nonce")
	if _, ok := o["analysis"].(string); !ok {
		return b, causeUnreadable
	}
	delete(o, "analysis")
	switch q.shape {
	case labelled:
		b, ok = q.readLabel(o)
	case criteria:
		b, ok = q.readCriteria(o)
	case listed:
		b, ok = readFindings(o, ids)
	}
	if !ok {
		return Ballot{}, causeUnreadable
	}
	return b, ""
}

// unwrap takes off what models put around an answer by habit: thoughts in
// tags before it, and one code fence around it. What is left must be the object.
func unwrap(raw string) string {
	if i := strings.LastIndex(raw, "</think>"); i >= 0 {
		raw = raw[i+len("</think>"):]
	}
	raw = strings.TrimSpace(raw)
	if rest, ok := strings.CutPrefix(raw, "```"); ok {
		rest = strings.TrimPrefix(rest, "json")
		if inner, ok := strings.CutSuffix(rest, "```"); ok {
			raw = strings.TrimSpace(inner)
		}
	}
	return raw
}

func (q question) readLabel(o map[string]any) (Ballot, bool) {
	label, isText := o["label"].(string)
	quote, isQuote := readQuote(o["quote"])
	if len(o) != 2 || !isText || !isQuote || !slices.Contains(q.labels, label) {
		return Ballot{}, false
	}
	return Ballot{Label: label, Findings: []Finding{{Met: label != q.free, Part: q.part, Quote: quote}}}, true
}

func (q question) readCriteria(o map[string]any) (Ballot, bool) {
	if len(o) != len(criterionIDs) {
		return Ballot{}, false
	}
	b := Ballot{Label: no}
	for _, id := range criterionIDs {
		f, isObject := o[id].(map[string]any)
		met, isBool := f["met"].(bool)
		quote, isQuote := readQuote(f["quote"])
		if !isObject || len(f) != 2 || !isBool || !isQuote {
			return Ballot{}, false
		}
		b.Findings = append(b.Findings, Finding{Met: met, Part: q.part, Quote: quote})
	}
	if b.Findings[len(criterionIDs)-1].Met {
		b.Label = yes
	}
	return b, true
}

// readFindings reads one finding for each id, in whatever order they come.
func readFindings(o map[string]any, ids []string) (Ballot, bool) {
	list, isList := o["findings"].([]any)
	if len(o) != 1 || !isList || len(list) != len(ids) {
		return Ballot{}, false
	}
	b := Ballot{Findings: make([]Finding, len(ids))}
	seen := make([]bool, len(ids))
	for _, item := range list {
		f, isObject := item.(map[string]any)
		id, isText := f["id"].(string)
		part, isPart := f["part"].(string)
		met, isBool := f["met"].(bool)
		quote, isQuote := readQuote(f["quote"])
		at := slices.Index(ids, id)
		if !isObject || len(f) != 4 || !isText || !isPart || !isBool || !isQuote || at < 0 || seen[at] {
			return Ballot{}, false
		}
		p := grading.EvidencePart(part)
		if p != grading.EvidenceReasoning && p != grading.EvidenceAnswer {
			return Ballot{}, false
		}
		seen[at] = true
		b.Findings[at] = Finding{Met: met, Part: p, Quote: quote}
	}
	return b, true
}

func readQuote(v any) (string, bool) {
	s, ok := v.(string)
	return s, ok && len(s) <= maxQuoteBytes
}

var errNotOneObject = errors.New("not one JSON object")

// readObject reads exactly one JSON object. encoding/json would take the last of
// two equal keys and ignore their letter case, which lets one text mean two
// things; here a repeated key is an error and keys are exact.
func readObject(raw string) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader([]byte(raw)))
	v, err := readValue(dec, 0)
	if err != nil {
		return nil, err
	}
	o, ok := v.(map[string]any)
	if _, err := dec.Token(); !ok || !errors.Is(err, io.EOF) {
		return nil, errNotOneObject
	}
	return o, nil
}

func readValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errNotOneObject
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if delim == '[' {
		list := []any{}
		for dec.More() {
			v, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = dec.Token()
		return list, err
	}
	object := map[string]any{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if _, twice := object[name]; !ok || twice {
			return nil, errNotOneObject
		}
		if object[name], err = readValue(dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err = dec.Token()
	return object, err
}
