package simserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/model"
)

// completionRequest lists every field that is understood. Others are refused:
// a parameter that is silently ignored would be worse.
type completionRequest struct {
	Model               string           `json:"model"`
	Messages            []requestMessage `json:"messages"`
	Temperature         *float64         `json:"temperature"`
	TopP                *float64         `json:"top_p"`
	MaxTokens           *int             `json:"max_tokens"`
	MaxCompletionTokens *int             `json:"max_completion_tokens"`
	Seed                *int64           `json:"seed"`
	Stop                stopSequences    `json:"stop"`
	N                   *int             `json:"n"`
	User                string           `json:"user"`
	Stream              bool             `json:"stream"`
	ResponseFormat      *responseFormat  `json:"response_format"`
	StreamOptions       *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// responseFormat is the form of the reply that is asked for.
type responseFormat struct {
	Type       string `json:"type"`
	JSONSchema *struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Strict      *bool           `json:"strict"`
		Schema      json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

type requestMessage struct {
	Role    string         `json:"role"`
	Content messageContent `json:"content"`
	Name    string         `json:"name"`
}

// stopSequences is a string or a list of them.
type stopSequences []string

// maxStop is how many there may be.
const maxStop = 16

// UnmarshalJSON implements json.Unmarshaler.
func (s *stopSequences) UnmarshalJSON(raw []byte) error {
	var one *string
	if json.Unmarshal(raw, &one) == nil {
		if one != nil {
			*s = stopSequences{*one}
		}
		return nil
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return errStop
	}
	*s = list
	return nil
}

// errStop is told to the client.
var errStop = errors.New("stop must be a string or a list of strings")

// messageContent is a string or a list of text parts.
type messageContent string

// errContent is told to the client.
var errContent = errors.New("content must be a string or a list of parts of type text")

// UnmarshalJSON implements json.Unmarshaler.
func (c *messageContent) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*c = messageContent(text)
		return nil
	}
	var parts []struct {
		Type string  `json:"type"`
		Text *string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return errContent
	}
	var b strings.Builder
	for _, part := range parts {
		if part.Type != "text" || part.Text == nil {
			return errContent
		}
		b.WriteString(*part.Text)
	}
	*c = messageContent(b.String())
	return nil
}

// read reads and checks a request. A non-nil apiError is to be sent.
func (s *Server) read(w http.ResponseWriter, r *http.Request) (completionRequest, *apiError) {
	var req completionRequest
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return req, &apiError{
			status: http.StatusUnsupportedMediaType, code: "unsupported_media_type",
			message: "the content type must be application/json",
		}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.MaxBodyBytes))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return req, &apiError{
				status: http.StatusRequestEntityTooLarge, code: "request_too_large",
				message: fmt.Sprintf("the body is larger than %d bytes", s.opts.MaxBodyBytes),
			}
		}
		return req, &apiError{status: http.StatusBadRequest, code: "incomplete_body", message: "the body could not be read"}
	}
	if !utf8.Valid(raw) {
		return req, &apiError{status: http.StatusBadRequest, code: "invalid_json", message: "the body is not UTF-8"}
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&req); err != nil {
		return req, decodeError(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return req, &apiError{status: http.StatusBadRequest, code: "invalid_json", message: "text follows the JSON"}
	}
	return req, req.check()
}

// decodeError says what is wrong with a body, by field where that is known.
func decodeError(err error) *apiError {
	e := &apiError{status: http.StatusBadRequest, code: "invalid_json", message: "the body is not valid JSON"}
	var typeErr *json.UnmarshalTypeError
	switch {
	case errors.As(err, &typeErr):
		e.code, e.param = "invalid_type", typeErr.Field
		e.message = fmt.Sprintf("%s must be of type %s", typeErr.Field, typeErr.Type)
	case errors.Is(err, errStop):
		e.code, e.param, e.message = "invalid_type", "stop", errStop.Error()
	case errors.Is(err, errContent):
		e.code, e.param, e.message = "invalid_type", "messages.content", errContent.Error()
	default:
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			e.code, e.param = "unknown_parameter", strings.Trim(name, `"`)
			e.message = "unknown parameter " + name
		}
	}
	return e
}

// check reports the first field that is out of its range.
func (req completionRequest) check() *apiError {
	bad := func(param, message string) *apiError {
		return &apiError{status: http.StatusBadRequest, code: "invalid_value", param: param, message: param + " " + message}
	}
	switch {
	case req.Model == "":
		return bad("model", "is missing")
	case len(req.Messages) == 0:
		return bad("messages", "is empty")
	case req.Temperature != nil && (*req.Temperature < 0 || *req.Temperature > 2):
		return bad("temperature", "must lie in [0, 2]")
	case req.TopP != nil && (*req.TopP <= 0 || *req.TopP > 1):
		return bad("top_p", "must lie in (0, 1]")
	case req.MaxTokens != nil && *req.MaxTokens < 1:
		return bad("max_tokens", "must be at least 1")
	case req.MaxCompletionTokens != nil && *req.MaxCompletionTokens < 1:
		return bad("max_completion_tokens", "must be at least 1")
	case len(req.Stop) > maxStop || slices.Contains(req.Stop, ""):
		return bad("stop", fmt.Sprintf("must be up to %d sequences that are not empty", maxStop))
	case req.N != nil && *req.N != 1:
		return bad("n", "must be 1")
	}
	if f := req.ResponseFormat; f != nil {
		schema := f.Type == "json_schema"
		switch {
		case !schema && f.Type != "text" && f.Type != "json_object":
			return bad("response_format.type", "must be text, json_object or json_schema")
		case schema && (f.JSONSchema == nil || f.JSONSchema.Name == "" || len(f.JSONSchema.Schema) == 0):
			return bad("response_format.json_schema", "needs a name and a schema")
		}
	}
	for i, message := range req.Messages {
		switch message.Role {
		case "system", "developer", "user", "assistant":
		default:
			return bad(fmt.Sprintf("messages[%d].role", i), "must be system, developer, user or assistant")
		}
	}
	return nil
}

// toModel returns the request to the simulated model. Without a seed each call
// gets one of its own, as it would from a real model.
func (req completionRequest) toModel() model.Request {
	out := model.Request{
		Messages: make([]model.Message, len(req.Messages)),
		Sampling: model.Sampling{Temperature: req.Temperature, TopP: req.TopP, Stop: req.Stop},
	}
	for i, message := range req.Messages {
		out.Messages[i] = model.Message{Role: message.Role, Content: string(message.Content)}
	}
	if f := req.ResponseFormat; f != nil && f.JSONSchema != nil {
		out.ResponseSchema = &model.Schema{Name: f.JSONSchema.Name, JSON: f.JSONSchema.Schema}
	}
	if req.Seed != nil {
		out.Seed = *req.Seed
	} else {
		out.Seed = rand.Int64() //nolint:gosec // variety, not secrecy
	}
	if req.MaxTokens != nil {
		out.Sampling.MaxTokens = *req.MaxTokens
	}
	if req.MaxCompletionTokens != nil {
		out.Sampling.MaxTokens = *req.MaxCompletionTokens
	}
	return out
}
