package record

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/transcript"
)

const version = 1

// lineStart is how every line begins.
const lineStart = `{"version":1,`

// exchange is one call of a model and what came of it; failure is nil for a reply.
type exchange struct {
	name, digest string
	time         time.Time
	request      model.Request
	reply        model.Reply
	failure      *model.Error
}

type wireLine struct {
	Version     int         `json:"version"`
	Model       string      `json:"model"`
	ModelDigest string      `json:"model_digest"`
	Sample      string      `json:"sample,omitempty"`
	Time        time.Time   `json:"time"`
	Request     wireRequest `json:"request"`
	Reply       *wireReply  `json:"reply,omitempty"`
	Error       *wireError  `json:"error,omitempty"`
}

type wireRequest struct {
	Messages       []wireMessage  `json:"messages"`
	Sampling       model.Sampling `json:"sampling"`
	Seed           int64          `json:"seed"`
	ResponseSchema *wireSchema    `json:"response_schema,omitempty"`
}

type wireMessage struct {
	Role    string `json:"role"`
	Content text   `json:"content"`
}

type wireSchema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
}

type wireReply struct {
	Raw             text                    `json:"raw"`
	NativeReasoning text                    `json:"native_reasoning,omitempty"`
	NativeKind      transcript.NativeKind   `json:"native_kind,omitempty"`
	FinishReason    transcript.FinishReason `json:"finish_reason,omitempty"`
	Usage           model.Usage             `json:"usage"`
	ModelID         text                    `json:"model_id,omitempty"`
	LatencyNS       int64                   `json:"latency_ns"`
	Attempts        int                     `json:"attempts"`
}

type wireError struct {
	Class        model.ErrorClass `json:"class"`
	Status       int              `json:"status,omitempty"`
	Message      string           `json:"message"`
	Attempts     int              `json:"attempts"`
	RetryAfterNS int64            `json:"retry_after_ns,omitempty"`
	Final        bool             `json:"final,omitempty"`
	// Body is what the server sent, without credentials.
	Body           text               `json:"body,omitempty"`
	BodyTruncated  bool               `json:"body_truncated,omitempty"`
	EarlierClasses []model.ErrorClass `json:"earlier_classes,omitempty"`
}

// text is a string that JSON can carry whatever its bytes are.
type text string

type wireBytes struct {
	Base64 *string `json:"base64"`
}

// MarshalJSON implements json.Marshaler.
func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return marshal(string(t))
	}
	s := base64.StdEncoding.EncodeToString([]byte(t))
	return marshal(wireBytes{&s})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '{' {
		var b wireBytes
		if err := strict(raw, &b); err != nil || b.Base64 == nil {
			return errors.New("a text must be a string or {\"base64\": \"...\"}")
		}
		bytes, err := base64.StdEncoding.Strict().DecodeString(*b.Base64)
		if err != nil {
			return errors.New("base64: not the standard encoding")
		}
		*t = text(bytes)
		return nil
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return errors.New("a text must be a string or {\"base64\": \"...\"}")
	}
	*t = text(*s)
	return nil
}

// marshal writes JSON without escaping tags, of which prompts are full.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'}), nil
}

// strict reads one JSON value without fields that nobody knows.
func strict(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

func toWire(req model.Request) (wireRequest, error) {
	w := wireRequest{Messages: make([]wireMessage, len(req.Messages)), Sampling: req.Sampling, Seed: req.Seed}
	for i, m := range req.Messages {
		w.Messages[i] = wireMessage{m.Role, text(m.Content)}
	}
	if s := req.ResponseSchema; s != nil {
		var compact bytes.Buffer
		if err := json.Compact(&compact, s.JSON); err != nil {
			return wireRequest{}, fmt.Errorf("response schema: %w", err)
		}
		w.ResponseSchema = &wireSchema{s.Name, compact.Bytes()}
	}
	return w, nil
}

func encodeLine(x exchange) ([]byte, error) {
	request, err := toWire(x.request)
	if err != nil {
		return nil, err
	}
	w := wireLine{
		Version: version, Model: x.name, ModelDigest: x.digest, Sample: x.request.SampleID, Time: x.time.UTC(), Request: request,
	}
	if f := x.failure; f != nil {
		w.Error = &wireError{
			f.Class, f.Status, f.Message, f.Attempts, int64(f.RetryAfter), f.Final,
			text(f.Body.Text()), f.Body.Truncated(), f.EarlierClasses,
		}
	} else {
		r := x.reply
		w.Reply = &wireReply{
			text(r.Raw), text(r.NativeReasoning), r.NativeKind, r.FinishReason, r.Usage, text(r.ModelID), int64(r.Latency), r.Attempts,
		}
	}
	line, err := marshal(w)
	if err != nil {
		return nil, err
	}
	return append(line, '\n'), nil
}

// decodeLine reads one line; its error says what is wrong and quotes no text.
func decodeLine(line []byte) (exchange, error) {
	var w wireLine
	if err := strict(line, &w); err != nil {
		return exchange{}, plain(err)
	}
	switch {
	case w.Version != version:
		return exchange{}, fmt.Errorf("version: must be %d, got %d", version, w.Version)
	case len(w.Request.Messages) == 0:
		return exchange{}, errors.New("request.messages: must not be empty")
	case (w.Reply == nil) == (w.Error == nil):
		return exchange{}, errors.New("must have either reply or error")
	}
	x := exchange{name: w.Model, digest: w.ModelDigest, time: w.Time}
	x.request = model.Request{
		Messages: make([]model.Message, len(w.Request.Messages)), Sampling: w.Request.Sampling, Seed: w.Request.Seed, SampleID: w.Sample,
	}
	for i, m := range w.Request.Messages {
		x.request.Messages[i] = model.Message{Role: m.Role, Content: string(m.Content)}
	}
	if s := w.Request.ResponseSchema; s != nil {
		if len(s.Schema) == 0 {
			return exchange{}, errors.New("request.response_schema.schema: is missing")
		}
		x.request.ResponseSchema = &model.Schema{Name: s.Name, JSON: s.Schema}
	}
	if f := w.Error; f != nil {
		if f.Class == "" {
			return exchange{}, errors.New("error.class: must not be empty")
		}
		x.failure = &model.Error{
			Class: f.Class, Status: f.Status, Message: f.Message, Attempts: f.Attempts, RetryAfter: time.Duration(f.RetryAfterNS), Final: f.Final,
			Body: model.NewFailureBody(string(f.Body), f.BodyTruncated), EarlierClasses: f.EarlierClasses,
		}
		return x, nil
	}
	r := w.Reply
	x.reply = model.Reply{
		Raw: string(r.Raw), NativeReasoning: string(r.NativeReasoning), NativeKind: r.NativeKind, FinishReason: r.FinishReason,
		Usage: r.Usage, ModelID: string(r.ModelID), Latency: time.Duration(r.LatencyNS), Attempts: r.Attempts,
	}
	return x, nil
}

// plain leaves out of a JSON error what it quotes of the value.
func plain(err error) error {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		return fmt.Errorf("%s: has a value of the wrong type", typed.Field)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("is not JSON")
	}
	return err
}
