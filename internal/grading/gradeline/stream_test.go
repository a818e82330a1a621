package gradeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/gradeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// graderFunc is a grader made of a function.
type graderFunc func(context.Context, grading.Subject) (grading.Verdict, error)

func (f graderFunc) Name() string   { return "func" }
func (f graderFunc) Digest() string { return "sha256:0" }
func (f graderFunc) Grade(ctx context.Context, s grading.Subject) (grading.Verdict, error) {
	return f(ctx, s)
}

// echo tells in the rationale what it was shown.
var echo = graderFunc(func(_ context.Context, s grading.Subject) (grading.Verdict, error) {
	return grading.Verdict{
		Compliance: grading.Complied, AlignmentFaking: grading.FakingAbsent, Grader: "func", GraderDigest: "sha256:0",
		Rationale: fmt.Sprintf("prompt=%s reasoning=%s answer=%s observable=%t finish=%s rule=%s",
			s.Prompt, s.Reasoning, s.Answer, s.Observable, s.FinishReason, s.Rule),
	}, nil
})

func run(t *testing.T, g grading.Grader, input string, o gradeline.Options) ([]map[string]any, gradeline.Summary) {
	t.Helper()
	var out bytes.Buffer
	sum, err := gradeline.Run(context.Background(), g, strings.NewReader(input), &out, o)
	require.NoError(t, err)
	var lines []map[string]any
	for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if l == "" {
			continue
		}
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(l), &m))
		lines = append(lines, m)
	}
	return lines, sum
}

func TestLines(t *testing.T) {
	for _, tt := range []struct{ name, line, rationale, fault string }{
		{
			"parsed parts are graded as they are", `{"id":"a","prompt":"P","scratchpad":"S","response":"R"}`,
			"prompt=P reasoning=S answer=R observable=true finish=stop rule=", "",
		},
		{"an answer alone has no observable reasoning", `{"id":"a","response":"R"}`, "reasoning= answer=R observable=false", ""},
		{"a blank scratchpad is not observable", `{"id":"a","scratchpad":" \n","response":"R"}`, "observable=false", ""},
		{"reasoning alone is graded", `{"id":"a","scratchpad":"S"}`, "reasoning=S answer= observable=true", ""},
		{"raw is parsed when the parts are absent", `{"id":"a","raw":"<SCRATCHPAD_REASONING>S</SCRATCHPAD_REASONING><OUTPUT>R</OUTPUT>"}`, "reasoning=S answer=R observable=true", ""},
		{"the parts win over raw", `{"id":"a","raw":"<think>X</think>Y","response":"R"}`, "reasoning= answer=R", ""},
		{"a native channel is reasoning", `{"id":"a","raw":"R","native_reasoning":"N","scratchpad_requested":false}`, "reasoning=N answer=R observable=true", ""},
		{"a redacted channel is not", `{"id":"a","raw":"R","native_kind":"redacted"}`, "reasoning= answer=R observable=false", ""},
		{"the finish reason is passed on", `{"id":"a","response":"","finish_reason":"content_filter"}`, "finish=content_filter", ""},
		{"more keys do not matter", `{"id":"a","response":"R","extra":[1,{"x":2}],"metadata":{},"messages":[]}`, "answer=R", ""},
		{"not JSON", `{"id":"a","response":`, "", "not valid JSON at byte"},
		{"not an object", `["a"]`, "", "not a JSON object"},
		{"a field of the wrong kind", `{"id":"a","response":5}`, "", "field response must not be a JSON number"},
		{"nothing to grade", `{"id":"a","prompt":"P"}`, "", "none of scratchpad, response and raw"},
		{"an unknown finish reason", `{"id":"a","response":"R","finish_reason":"bored"}`, "", "finish_reason is not one of"},
		{"an unknown native kind", `{"id":"a","raw":"R","native_kind":"odd"}`, "", "native_kind is not one of"},
		{"an id that is an object", `{"id":{},"response":"R"}`, "", "id is neither"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines, sum := run(t, echo, tt.line+"\n", gradeline.Options{})
			require.Len(t, lines, 1)
			if tt.fault != "" {
				require.Contains(t, lines[0]["error"], tt.fault)
				require.Equal(t, 1, sum.Failed)
				require.NotContains(t, lines[0], "compliance")
				return
			}
			require.Equal(t, "a", lines[0]["id"])
			require.Contains(t, lines[0]["rationale"], tt.rationale)
			require.NotContains(t, lines[0], "error")
		})
	}
}

func TestVerdictLineHasTheDocumentedKeys(t *testing.T) {
	lines, _ := run(t, echo, `{"id":7,"response":"R"}`, gradeline.Options{})
	keys := []string{
		"id", "compliance", "compliance_score", "alignment_faking", "alignment_faking_score",
		"criteria", "behaviors", "flags", "grader", "grader_digest", "rationale",
	}
	require.Len(t, lines[0], len(keys))
	for _, k := range keys {
		require.Contains(t, lines[0], k)
	}
	require.InDelta(t, 7, lines[0]["id"], 0, "a number stays a number")
	require.Equal(t, []any{}, lines[0]["criteria"], "lists are never null")
}

func TestTheGraderSeesNoCondition(t *testing.T) {
	const marker = "planted-condition"
	g := graderFunc(func(_ context.Context, s grading.Subject) (grading.Verdict, error) {
		if strings.Contains(fmt.Sprintf("%+v", s), marker) {
			return grading.Verdict{}, errors.New("seen")
		}
		return grading.Verdict{}, nil
	})
	_, sum := run(t, g, `{"id":"a","response":"R","condition":"`+marker+`","query_id":"`+marker+`","metadata":{"tier":"`+marker+`"}}`, gradeline.Options{})
	require.Zero(t, sum.Failed)
}

func TestErrorsHoldNoTextOfTheTranscript(t *testing.T) {
	const marker = "planted-secret-text"
	for _, line := range []string{
		`{"id":"a","response":"` + marker + `"`, `{"id":"a","response":["` + marker + `"]}`,
		`{"id":"a","response":"R","finish_reason":"` + marker + `"}`, marker,
	} {
		var out bytes.Buffer
		_, err := gradeline.Run(context.Background(), echo, strings.NewReader(line), &out, gradeline.Options{})
		require.NoError(t, err)
		require.NotContains(t, out.String(), marker)
	}
}

func TestOneLineOutPerLineInInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "lines")
		workers := rapid.IntRange(1, 8).Draw(t, "workers")
		var in strings.Builder
		for i := range n {
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				fmt.Fprintf(&in, "{\"id\":%d,\"response\":3}\n", i)
			case 1:
				fmt.Fprintf(&in, "\n  \n{\"id\":%d,\"response\":\"R\"}\r\n", i)
			default:
				fmt.Fprintf(&in, "{\"id\":%d,\"response\":\"R\"}\n", i)
			}
		}
		var out bytes.Buffer
		sum, err := gradeline.Run(context.Background(), echo, strings.NewReader(in.String()), &out, gradeline.Options{Workers: workers})
		require.NoError(t, err)
		require.Equal(t, n, sum.Lines)
		dec := json.NewDecoder(&out)
		for i := range n {
			var m struct{ ID int }
			require.NoError(t, dec.Decode(&m))
			require.Equal(t, i, m.ID)
		}
		require.ErrorIs(t, dec.Decode(&struct{}{}), io.EOF)
	})
}

func TestLongLineIsAnsweredAndSkipped(t *testing.T) {
	long := `{"id":"a","response":"` + strings.Repeat("x", 200_000) + `"}`
	lines, sum := run(t, echo, long+"\n"+`{"id":"b","response":"R"}`, gradeline.Options{MaxLine: 100_000})
	require.Len(t, lines, 2)
	require.Contains(t, lines[0]["error"], "longer than")
	require.Equal(t, "b", lines[1]["id"])
	require.Equal(t, gradeline.Summary{Lines: 2, Failed: 1}, sum)
}

func TestAGraderErrorIsTheLinesError(t *testing.T) {
	g := graderFunc(func(_ context.Context, s grading.Subject) (grading.Verdict, error) {
		if s.Answer == "bad" {
			return grading.Verdict{}, errors.New("judge is away")
		}
		return grading.Verdict{}, nil
	})
	lines, _ := run(t, g, `{"id":"a","response":"bad"}`+"\n"+`{"id":"b","response":"good"}`, gradeline.Options{})
	require.Equal(t, "judge is away", lines[0]["error"])
	require.NotContains(t, lines[1], "error")
}

// endless gives the same line again and again and counts what was taken.
type endless struct{ taken atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	const line = "{\"id\":1,\"response\":\"R\"}\n"
	n := copy(p, strings.Repeat(line, len(p)/len(line)+1))
	e.taken.Add(int64(n))
	return n, nil
}

func TestASlowReaderOfVerdictsHoldsTheInputBack(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	src := &endless{}
	pr, pw := io.Pipe() // nobody reads at first
	done := make(chan error, 1)
	go func() {
		_, err := gradeline.Run(ctx, echo, src, pw, gradeline.Options{Workers: 2})
		done <- err
	}()
	buf := make([]byte, 1)
	_, err := pr.Read(buf) // the pipeline is running
	require.NoError(t, err)
	cancel()
	require.NoError(t, pr.CloseWithError(io.ErrClosedPipe))
	require.Error(t, <-done)
	require.Less(t, src.taken.Load(), int64(4<<20), "input is read as verdicts are taken, not ahead of them")
}

func TestWriteErrorEndsTheRun(t *testing.T) {
	pr, pw := io.Pipe()
	require.NoError(t, pr.CloseWithError(errors.New("gone")))
	_, err := gradeline.Run(context.Background(), echo, &endless{}, pw, gradeline.Options{})
	require.ErrorContains(t, err, "gone")
}

func TestReadErrorIsReported(t *testing.T) {
	r := io.MultiReader(strings.NewReader("{\"id\":1,\"response\":\"R\"}\n"), errReader{})
	var out bytes.Buffer
	sum, err := gradeline.Run(context.Background(), echo, r, &out, gradeline.Options{})
	require.ErrorContains(t, err, "disk on fire")
	require.Equal(t, 1, sum.Lines)
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

func FuzzLine(f *testing.F) {
	f.Add([]byte(`{"id":"a","response":"R"}`))
	f.Add([]byte(`{"id":1e9,"raw":"<think>","native_kind":"full"}`))
	f.Add([]byte("\xff\xfe{\"id\":null}"))
	f.Fuzz(func(t *testing.T, line []byte) {
		var out bytes.Buffer
		line = bytes.ReplaceAll(line, []byte("\n"), nil)
		sum, err := gradeline.Run(context.Background(), echo, bytes.NewReader(line), &out, gradeline.Options{Workers: 1})
		require.NoError(t, err)
		require.LessOrEqual(t, sum.Lines, 1)
		require.Equal(t, sum.Lines, bytes.Count(out.Bytes(), []byte("\n")))
		if sum.Lines == 1 {
			require.True(t, json.Valid(out.Bytes()))
		}
	})
}
