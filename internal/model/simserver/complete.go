package simserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/sim"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// completion is the body of a whole reply and, with object and delta changed,
// of a chunk of a streamed one.
type completion struct {
	ID      string     `json:"id"`
	Object  string     `json:"object"`
	Created int64      `json:"created"`
	Model   string     `json:"model"`
	Choices []choice   `json:"choices"`
	Usage   *wireUsage `json:"usage,omitempty"`
}

type choice struct {
	Index        int          `json:"index"`
	Message      *wireMessage `json:"message,omitempty"`
	Delta        *wireMessage `json:"delta,omitempty"`
	FinishReason *string      `json:"finish_reason"`
}

// wireMessage carries reasoning in the fields that open servers use.
type wireMessage struct {
	Role             string       `json:"role,omitempty"`
	Content          *string      `json:"content,omitempty"`
	ReasoningContent string       `json:"reasoning_content,omitempty"`
	Reasoning        string       `json:"reasoning,omitempty"`
	ReasoningDetails []wireDetail `json:"reasoning_details,omitempty"`
}

type wireDetail struct {
	Type    string `json:"type"`
	Summary string `json:"summary,omitempty"`
	Data    string `json:"data,omitempty"`
}

type wireUsage struct {
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
	TotalTokens      int64 `json:"total_tokens"`
	Details          struct {
		ReasoningTokens int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// complete answers POST /v1/chat/completions.
func (s *Server) complete(w http.ResponseWriter, r *http.Request) {
	req, failure := s.read(w, r)
	if step := s.next(); step != nil {
		step(s, w, r)
		return
	}
	if failure != nil {
		fail(w, *failure)
		return
	}
	m, err := s.model(req.Model)
	if err != nil {
		fail(w, apiError{status: http.StatusNotFound, code: "model_not_found", param: "model", message: err.Error()})
		return
	}
	reply, truth, err := m.Compose(req.toModel())
	if err != nil {
		message := "the request cannot be completed"
		var typed *model.Error
		if errors.As(err, &typed) {
			message = typed.Message
		}
		fail(w, apiError{status: http.StatusBadRequest, code: "invalid_value", param: "messages", message: message})
		return
	}
	if m.Pause(r.Context()) != nil {
		return // the client is gone
	}
	raw, err := json.Marshal(truth)
	if err != nil { // three plain fields
		fail(w, apiError{status: http.StatusInternalServerError, code: "internal", message: "internal error"})
		return
	}
	w.Header().Set(TruthHeader, string(raw))
	c := s.envelope(req.Model)
	if step := act(truth.Fault); step != nil {
		step(s, w, r)
		return
	}
	if req.Stream {
		stream(w, c, reply, req.StreamOptions != nil && req.StreamOptions.IncludeUsage)
		return
	}
	c.Object = "chat.completion"
	c.Choices = []choice{{Message: message(reply), FinishReason: finish(reply)}}
	c.Usage = usage(reply)
	writeJSON(w, http.StatusOK, c)
}

// next returns what the script holds for this request, or nil.
func (s *Server) next() Step {
	if n := s.arrived.Add(1); n <= int64(len(s.opts.Script)) {
		return s.opts.Script[n-1]
	}
	return nil
}

// envelope returns the part of a reply that its text has no bearing on.
func (s *Server) envelope(name string) completion {
	return completion{
		ID:      "chatcmpl-sim-" + strconv.FormatInt(s.replies.Add(1), 10),
		Created: time.Now().Unix(),
		Model:   name,
	}
}

func message(reply model.Reply) *wireMessage {
	m := &wireMessage{Role: "assistant", Content: &reply.Raw}
	switch reply.NativeKind {
	case transcript.NativeFull:
		m.ReasoningContent = reply.NativeReasoning
	case transcript.NativeSummary:
		m.Reasoning = reply.NativeReasoning
		m.ReasoningDetails = []wireDetail{{Type: "reasoning.summary", Summary: reply.NativeReasoning}}
	case transcript.NativeRedacted:
		m.ReasoningDetails = []wireDetail{{Type: "reasoning.encrypted", Data: "c2VhbGVk"}}
	case transcript.NativeNone:
	}
	return m
}

func finish(reply model.Reply) *string {
	reason := string(reply.FinishReason)
	return &reason
}

func usage(reply model.Reply) *wireUsage {
	u := &wireUsage{PromptTokens: reply.Usage.InputTokens, CompletionTokens: reply.Usage.OutputTokens}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	u.Details.ReasoningTokens = reply.Usage.ReasoningTokens
	return u
}

// act returns how a fault of the transport is acted out, or nil.
func act(f sim.Fault) Step {
	switch f {
	case sim.FaultError:
		return Status(http.StatusInternalServerError, "")
	case sim.FaultTimeout:
		return Hang
	case sim.FaultRateLimit:
		return Status(http.StatusTooManyRequests, "1")
	case sim.FaultCut:
		return Cut
	case sim.FaultInvalidJSON:
		return InvalidJSON
	case sim.FaultContentType:
		return Page
	default: // faults of the text are in it already
		return nil
	}
}
