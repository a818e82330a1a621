// Package gradeline grades transcripts that stand one a line as JSON and writes
// one line of JSON for each, in the same order.
//
// It is what `unmask grade` runs. Memory stays constant however long the
// input is: a bounded number of lines is in work at any time. A line that
// cannot be read or graded is answered by its id and an error, so lines in and
// lines out always pair up. Errors name fields and positions and never repeat
// text of a transcript.
package gradeline

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// Input is a transcript line. Unknown keys are ignored, so that files with more
// columns can be graded.
type Input struct {
	// ID is given back in the verdict line. A number is accepted and kept.
	ID json.RawMessage `json:"id"`
	// Prompt is the user's request.
	Prompt string `json:"prompt"`
	// Condition, QueryID and Sample are never shown to a grader.
	Condition string          `json:"condition"`
	QueryID   string          `json:"query_id"`
	Sample    json.RawMessage `json:"sample"`
	// Scratchpad and Response are the parsed parts. Where both are absent, Raw
	// is parsed.
	Scratchpad *string `json:"scratchpad"`
	Response   *string `json:"response"`
	Raw        *string `json:"raw"`
	// NativeReasoning is the provider's reasoning channel and NativeKind what
	// it holds: full (the default), summary or redacted.
	NativeReasoning string `json:"native_reasoning"`
	NativeKind      string `json:"native_kind"`
	// FinishReason defaults to stop.
	FinishReason string `json:"finish_reason"`
	// ScratchpadRequested says whether reasoning was asked for; the default is true.
	ScratchpadRequested *bool `json:"scratchpad_requested"`
	// Messages and Metadata are carried by transcript files and not graded.
	Messages json.RawMessage `json:"messages"`
	Metadata json.RawMessage `json:"metadata"`
}

// Output is a verdict line.
type Output struct {
	ID                   json.RawMessage     `json:"id"`
	Compliance           grading.Compliance  `json:"compliance"`
	ComplianceScore      float64             `json:"compliance_score"`
	AlignmentFaking      grading.Faking      `json:"alignment_faking"`
	AlignmentFakingScore float64             `json:"alignment_faking_score"`
	Criteria             []grading.Criterion `json:"criteria"`
	Behaviors            []grading.Behavior  `json:"behaviors"`
	Flags                []string            `json:"flags"`
	Grader               string              `json:"grader"`
	GraderDigest         string              `json:"grader_digest"`
	Rationale            string              `json:"rationale,omitempty"`
	// Votes, Polls, Members and Usage say how a judge or a panel came to it; a
	// line of the rubric grader has none of them.
	Votes   int              `json:"votes,omitempty"`
	Polls   []grading.Poll   `json:"polls,omitempty"`
	Members []grading.Member `json:"members,omitempty"`
	Usage   *grading.Usage   `json:"usage,omitempty"`
}

// Failure is the answer to a line that has no verdict.
type Failure struct {
	ID    json.RawMessage `json:"id"`
	Error string          `json:"error"`
}

// errLine is wrapped by the errors of lines that cannot be read.
var errLine = errors.New("bad line")

// decode reads one line. Where it fails, the id is returned as far as it can
// be made out.
func decode(line []byte) (in Input, id json.RawMessage, err error) {
	if err := json.Unmarshal(line, &in); err != nil {
		return Input{}, idOf(line), fmt.Errorf("%w: %s", errLine, jsonFault(err))
	}
	id = in.ID
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	if id[0] == '{' || id[0] == '[' {
		return Input{}, json.RawMessage("null"), fmt.Errorf("%w: id is neither text nor a number", errLine)
	}
	if in.Scratchpad == nil && in.Response == nil && in.Raw == nil {
		return Input{}, id, fmt.Errorf("%w: none of scratchpad, response and raw is there", errLine)
	}
	return in, id, nil
}

// idOf reads nothing but the id, so that a line with one bad field can still be
// told by it.
func idOf(line []byte) json.RawMessage {
	var only struct {
		ID json.RawMessage `json:"id"`
	}
	if err := json.Unmarshal(line, &only); err != nil || len(only.ID) == 0 || only.ID[0] == '{' || only.ID[0] == '[' {
		return json.RawMessage("null")
	}
	return only.ID
}

// jsonFault describes a JSON error without the text that it happened in.
func jsonFault(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("not valid JSON at byte %d", syntax.Offset)
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return fmt.Sprintf("field %s must not be a JSON %s", kind.Field, kind.Value)
	}
	return "not a JSON object"
}

// subject makes what a grader sees of a line.
func subject(in *Input, o Options) (grading.Subject, error) {
	finish, err := finishReason(in.FinishReason)
	if err != nil {
		return grading.Subject{}, err
	}
	s := grading.Subject{
		ID: string(in.ID), Prompt: in.Prompt, FinishReason: finish, Rule: o.Rule, Behaviors: o.Behaviors,
	}
	if in.Scratchpad != nil || in.Response != nil {
		if in.Scratchpad != nil {
			s.Reasoning = *in.Scratchpad
		}
		if in.Response != nil {
			s.Answer = *in.Response
		}
		s.Observable = !blank(s.Reasoning)
		return s, nil
	}
	kind, err := nativeKind(in.NativeKind)
	if err != nil {
		return grading.Subject{}, err
	}
	p := transcript.Parse(transcript.Reply{
		Raw: *in.Raw, NativeReasoning: in.NativeReasoning, NativeKind: kind, FinishReason: finish,
		ScratchpadRequested: in.ScratchpadRequested == nil || *in.ScratchpadRequested, Prompt: in.Prompt,
	})
	s.Reasoning, s.Answer, s.Observable = p.Reasoning, p.Answer, p.Observable()
	return s, nil
}

func blank(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != ' ' && s[i] != '\n' && s[i] != '\t' && s[i] != '\r' {
			return false
		}
	}
	return true
}

func finishReason(s string) (transcript.FinishReason, error) {
	switch f := transcript.FinishReason(s); f {
	case "":
		return transcript.FinishStop, nil
	case transcript.FinishStop, transcript.FinishLength, transcript.FinishContentFilter,
		transcript.FinishToolCalls, transcript.FinishUnknown:
		return f, nil
	default:
		return "", fmt.Errorf("%w: finish_reason is not one of stop, length, content_filter, tool_calls, unknown", errLine)
	}
}

func nativeKind(s string) (transcript.NativeKind, error) {
	switch k := transcript.NativeKind(s); k {
	case transcript.NativeNone, transcript.NativeFull, transcript.NativeSummary, transcript.NativeRedacted:
		return k, nil
	default:
		return "", fmt.Errorf("%w: native_kind is not one of full, summary, redacted", errLine)
	}
}
