package transcript

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func parseLines(t *testing.T, input string, limit int) []string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, streamLines(context.Background(), strings.NewReader(input), &out, limit))
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestParseLine(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{
			"a whole reply", `{"id":"r1","raw":"<think>a</think>b"}`,
			`{"id":"r1","observation":"SCRATCHPAD","scratchpad":"a","response":"b","parts":[{"kind":"markup","start":0,"end":7},` +
				`{"kind":"scratchpad","start":7,"end":8},{"kind":"markup","start":8,"end":16},{"kind":"answer","start":16,"end":17}]}`,
		},
		{"a number for an id", `{"id":17.50,"raw":""}`, `{"id":17.50,"observation":"ABSENT","scratchpad":"","response":"","parts":[]}`},
		{"no id", `{"raw":""}`, `{"id":null,"observation":"ABSENT","scratchpad":"","response":"","parts":[]}`},
		{"not requested", `{"id":"","raw":"","scratchpad_requested":false}`, `{"id":"","observation":"NOT_REQUESTED","scratchpad":"","response":"","parts":[]}`},
		{"request left open", `{"id":"","raw":"","scratchpad_requested":null}`, `{"id":"","observation":"ABSENT","scratchpad":"","response":"","parts":[]}`},
		{"only the native channel spoke", `{"id":"","raw":null,"native_reasoning":"n"}`, `{"id":"","observation":"NATIVE","scratchpad":"n","response":"","parts":[]}`},
		{"redacted, in capitals", `{"id":"","raw":"","native_kind":"REDACTED"}`, `{"id":"","observation":"REDACTED","scratchpad":"","response":"","parts":[]}`},
		{"another provider's word for the limit", `{"id":"","raw":"<think>a","finish_reason":"MAX_TOKENS"}`, `{"id":"","observation":"TRUNCATED","scratchpad":"a","response":"","parts":[{"kind":"markup","start":0,"end":7},{"kind":"scratchpad","start":7,"end":8}]}`},
		{"unknown keys", `{"id":"","raw":"","condition":"free","metadata":{"a":[1]}}`, `{"id":"","observation":"ABSENT","scratchpad":"","response":"","parts":[]}`},
		{"escapes", `{"id":"\u0041\n","raw":"\"\\\/\b\f\n\t\u0007\u2028é😀\ud83d\ude00x"}`, `{"id":"A\n","observation":"ABSENT","scratchpad":"","response":"\"\\/\u0008\u000c\n\t\u0007\u2028é😀😀x","parts":[{"kind":"answer","start":0,"end":22}]}`},
		{"half a surrogate pair", `{"id":"","raw":"\ud83d x \ude00\ud83d"}`, `{"id":"","observation":"ABSENT","scratchpad":"","response":"\ud83d x \ude00\ud83d","parts":[{"kind":"answer","start":0,"end":12}]}`},
		{"broken bytes", "{\"id\":\"\",\"raw\":\"a\xffb\xc3\"}", "{\"id\":\"\",\"observation\":\"ABSENT\",\"scratchpad\":\"\",\"response\":\"a\uFFFDb\uFFFD\",\"parts\":[{\"kind\":\"answer\",\"start\":0,\"end\":4}]}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := ParseLine([]byte(tt.in))
			require.NoError(t, err)
			require.Equal(t, tt.want, string(out))
			require.True(t, json.Valid(out))
		})
	}
}

func TestParseLineNamesWhatIsWrongAndRepeatsNoText(t *testing.T) {
	const secret = "planted-marker"
	for _, tt := range []struct{ name, in, id, reason string }{
		{"blank", "  ", "", "the line is blank"},
		{"not JSON", `{"id":"a","raw":"` + secret + `",x}`, `"a"`, "the line is not JSON: error at byte 34"},
		{"cut", `{"id":"a","raw":"` + secret, `"a"`, "the line is not JSON: error at byte 31"},
		{"two values", `{"id":"a","raw":""} {}`, `"a"`, "the line is not JSON: error at byte 21"},
		{"an array", `["` + secret + `"]`, "", "the line is not a JSON object"},
		{"no raw", `{"id":"a"}`, `"a"`, "raw: is missing"},
		{"raw a number", `{"id":"a","raw":7}`, `"a"`, "raw: must be a string"},
		{"native an object", `{"id":"a","raw":"","native_reasoning":{"` + secret + `":1}}`, `"a"`, "native_reasoning: must be a string"},
		{"kind unknown", `{"id":"a","raw":"","native_kind":"` + secret + `"}`, `"a"`, "native_kind: must be full, summary or redacted"},
		{"request a string", `{"id":"a","raw":"","scratchpad_requested":"` + secret + `"}`, `"a"`, "scratchpad_requested: must be true or false"},
		{"id an object", `{"id":{"` + secret + `":1},"raw":""}`, "", "id: must be a string or a number"},
		{"id true", `{"id":true,"raw":""}`, "", "id: must be a string or a number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseLine([]byte(tt.in))
			var bad *LineError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, tt.id, string(bad.ID))
			require.EqualError(t, err, tt.reason)
			require.NotContains(t, string(errorLine(bad)), secret)
		})
	}
}

func TestStreamParseAnswersLineForLine(t *testing.T) {
	long := `{"x":1,"id":"long","raw":"` + strings.Repeat("y", 70_000) + `"}`
	lines := parseLines(t, "\ufeff"+`{"id":"a","raw":"A"}`+"\r\n"+"nonsense\n\n"+long+"\n"+`{"id":"z","raw":"Z"}`, 60_000)
	require.Equal(t, []string{
		`{"id":"a","observation":"ABSENT","scratchpad":"","response":"A","parts":[{"kind":"answer","start":0,"end":1}]}`,
		`{"id":null,"error":"the line is not JSON: error at byte 2"}`,
		`{"id":null,"error":"the line is blank"}`,
		`{"id":"long","error":"the line is longer than 60000 bytes"}`,
		`{"id":"z","observation":"ABSENT","scratchpad":"","response":"Z","parts":[{"kind":"answer","start":0,"end":1}]}`,
	}, lines)
}

func TestStreamParseLineLimitIsExact(t *testing.T) {
	line := `{"id":"a","raw":"` + strings.Repeat("y", 100_000) + `"}`
	require.Contains(t, parseLines(t, line+"\n", len(line))[0], "ABSENT")
	require.Contains(t, parseLines(t, line, len(line))[0], "ABSENT")
	require.Contains(t, parseLines(t, line+"\n", len(line)-1)[0], "longer than")
	require.Contains(t, parseLines(t, line, len(line)-1)[0], "longer than")
}

func TestStreamParseEmptyInputs(t *testing.T) {
	for name, input := range map[string]string{"nothing": "", "only a byte order mark": "\ufeff"} {
		var out bytes.Buffer
		require.NoError(t, StreamParse(context.Background(), strings.NewReader(input), &out), name)
		require.Empty(t, out.String(), name)
	}
	require.Equal(t, []string{`{"id":null,"error":"the line is blank"}`}, parseLines(t, "\n", 100))
	require.Equal(t, []string{`{"id":null,"error":"the line is not a JSON object"}`}, parseLines(t, "1", 100))
}

func TestStreamParseStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, StreamParse(ctx, strings.NewReader("{}\n"), io.Discard), context.Canceled)

	broken := errors.New("broken pipe")
	in := iotest.DataErrReader(io.MultiReader(strings.NewReader("{}\n{}"), iotest.ErrReader(broken)))
	require.ErrorIs(t, StreamParse(context.Background(), in, io.Discard), broken)
	require.ErrorIs(t, StreamParse(context.Background(), strings.NewReader("{}\n"), failingWriter{broken}), broken)
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestStreamParseAnswersBeforeTheInputEnds drives the stream as a dialogue.
func TestStreamParseAnswersBeforeTheInputEnds(t *testing.T) {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := StreamParse(context.Background(), inR, outW)
		done <- errors.Join(err, outW.Close())
	}()
	answers := bufio.NewReader(outR)
	for _, id := range []string{"a", "b", "c"} {
		_, err := io.WriteString(inW, `{"id":"`+id+`","raw":""}`+"\n")
		require.NoError(t, err)
		line, err := answers.ReadString('\n')
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(line, `{"id":"`+id+`"`))
	}
	require.NoError(t, inW.Close())
	require.NoError(t, <-done)
}

// TestStreamParseHoldsOneLine feeds far more than it may keep and watches what
// stays reachable.
func TestStreamParseHoldsOneLine(t *testing.T) {
	const lines, lineBytes = 800, 32 << 10
	line := []byte(`{"id":"a","raw":"<think>` + strings.Repeat("y", lineBytes) + `</think>b"}` + "\n")
	var before, after runtime.MemStats
	var left int
	source := readerFunc(func(p []byte) (int, error) {
		if left == 0 {
			return 0, io.EOF
		}
		n := copy(p, line[(lines*len(line)-left)%len(line):])
		left -= n
		return n, nil
	})
	left = lines * len(line)
	runtime.GC()
	runtime.ReadMemStats(&before)
	require.NoError(t, StreamParse(context.Background(), source, io.Discard))
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(8<<20))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestStreamParseDevelopmentCases(t *testing.T) {
	var cases []devCase
	var input bytes.Buffer
	lines := bufio.NewScanner(sharedFile(t, "parsing", "parsing_dev.jsonl"))
	lines.Buffer(nil, MaxLine)
	for lines.Scan() {
		var c devCase
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c))
		cases = append(cases, c)
		input.Write(lines.Bytes())
		input.WriteByte('\n')
	}
	require.NoError(t, lines.Err())
	got := parseLines(t, input.String(), MaxLine)
	require.Len(t, got, len(cases))
	for i, c := range cases {
		var line struct{ ID, Observation, Scratchpad, Response string }
		require.NoError(t, json.Unmarshal([]byte(got[i]), &line))
		p := Parse(c.reply())
		require.Equal(t, c.ID, line.ID)
		require.Equal(t, []string{string(p.Observation), p.Reasoning, p.Answer}, []string{line.Observation, line.Scratchpad, line.Response})
	}
}

func BenchmarkStreamParse(b *testing.B) {
	raw, err := json.Marshal(ordinary())
	require.NoError(b, err)
	line := `{"id":"a","raw":` + string(raw) + "}\n"
	input := strings.Repeat(line, 200)
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		if err := StreamParse(context.Background(), strings.NewReader(input), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
