package wire_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

func events(stream string) []wire.Event { return slices.Collect(wire.Events([]byte(stream))) }

func TestEvents(t *testing.T) {
	for _, tt := range []struct {
		name, stream string
		want         []wire.Event
	}{
		{"none", "", nil},
		{"one", "data: x\n\n", []wire.Event{{Data: []byte("x")}}},
		{"named", "event: a\ndata: x\n\nevent: b\ndata: y\n\n", []wire.Event{{"a", []byte("x")}, {"b", []byte("y")}}},
		{"the name is not kept", "event: a\ndata: x\n\ndata: y\n\n", []wire.Event{{"a", []byte("x")}, {"", []byte("y")}}},
		{"several lines", "data: x\ndata:\ndata: y\n\n", []wire.Event{{Data: []byte("x\n\ny")}}},
		{"one blank is dropped", "data:  x\ndata:y\n\n", []wire.Event{{Data: []byte(" x\ny")}}},
		{"comments and other fields", ": ping\nid: 7\nretry: 1\nodd\ndata: x\n\n:\n\n", []wire.Event{{Data: []byte("x")}}},
		{"no data", "event: a\n\ndata: x\n\n", []wire.Event{{Data: []byte("x")}}},
		{"CRLF and CR", "data: x\r\n\r\ndata: y\r\rdata: z\n\r\n", []wire.Event{{Data: []byte("x")}, {Data: []byte("y")}, {Data: []byte("z")}}},
		{"byte order mark", "\xef\xbb\xbfdata: x\n\n", []wire.Event{{Data: []byte("x")}}},
		{"a last event without its empty line", "data: x\n\ndata: y", []wire.Event{{Data: []byte("x")}, {Data: []byte("y")}}},
	} {
		require.Equal(t, tt.want, events(tt.stream), tt.name)
	}
}

// Whatever is written as events is read back, and reading may stop anywhere.
func TestEventsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.StringMatching(`[a-z:{}" ]{0,6}`)).Draw(t, "data")
		end := rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "line end")
		var stream strings.Builder
		for _, data := range want {
			stream.WriteString("event: e" + end + "data: " + data + end + ": comment" + end + end)
		}
		var got []string
		for e := range wire.Events([]byte(stream.String())) {
			got = append(got, string(e.Data))
			if e.Name != "e" {
				t.Fatal("a name was lost")
			}
		}
		if !slices.Equal(want, got) {
			t.Fatalf("%q is not %q", got, want)
		}
		for range wire.Events([]byte(stream.String())) {
			break
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: a\ndata: x\r\n\r\n:\ndata"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		total := 0
		for e := range wire.Events(stream) {
			total += len(e.Name) + len(e.Data)
		}
		if total > len(stream) {
			t.Fatal("more came out than went in")
		}
	})
}

func TestReasoning(t *testing.T) {
	full, summary := transcript.NativeFull, transcript.NativeSummary
	type piece struct {
		kind transcript.NativeKind
		text string
	}
	for _, tt := range []struct {
		name   string
		pieces []piece
		hidden bool
		text   string
		kind   transcript.NativeKind
	}{
		{"nothing", nil, false, "", transcript.NativeNone},
		{"nothing to read", nil, true, "", transcript.NativeRedacted},
		{"full", []piece{{full, "a"}, {full, "b"}}, false, "a\n\nb", full},
		{"full but not all", []piece{{full, "a"}}, true, "a", summary},
		{"summary", []piece{{summary, "a"}}, false, "a", summary},
		{"summary of hidden", []piece{{summary, "a"}}, true, "a", summary},
		{"full and summary", []piece{{summary, "b"}, {full, "a"}}, false, "a\n\nb", summary},
		{"summary of blanks", []piece{{summary, " \n"}}, false, "", transcript.NativeRedacted},
		{"full of blanks is a model that did not think", []piece{{full, "\n"}}, false, "\n", full},
		{"full of blanks beside a hidden part", []piece{{full, "\n"}}, true, "", transcript.NativeRedacted},
		{"empty pieces are none", []piece{{full, ""}, {summary, ""}}, false, "", transcript.NativeNone},
	} {
		var r wire.Reasoning
		for _, p := range tt.pieces {
			r.Add(p.kind, p.text)
		}
		if tt.hidden {
			r.Hide()
		}
		text, kind := r.Result()
		require.Equal(t, tt.text, text, tt.name)
		require.Equal(t, tt.kind, kind, tt.name)
	}
}

// What is hidden or summarised is never the whole and never none.
func TestHiddenReasoningIsNeverObservable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r wire.Reasoning
		lossy := rapid.Bool().Draw(t, "hidden")
		for range rapid.IntRange(0, 4).Draw(t, "pieces") {
			text := rapid.StringMatching(`[a-z \n]{0,4}`).Draw(t, "text")
			kind := rapid.SampledFrom([]transcript.NativeKind{transcript.NativeFull, transcript.NativeSummary}).Draw(t, "kind")
			lossy = lossy || (kind == transcript.NativeSummary && text != "")
			r.Add(kind, text)
		}
		if lossy {
			r.Hide()
		}
		text, kind := r.Result()
		if lossy && (kind == transcript.NativeFull || kind == transcript.NativeNone) {
			t.Fatalf("%q counts as %q", text, kind)
		}
		for _, asked := range []bool{false, true} {
			p := transcript.Parse(transcript.Reply{Raw: "No.", NativeReasoning: text, NativeKind: kind, ScratchpadRequested: asked})
			if lossy && (p.Observable() || p.Observation == transcript.Absent || p.Observation == transcript.NotRequested) {
				t.Fatalf("%q of the kind %q is observed as %s", text, kind, p.Observation)
			}
		}
	})
}

func TestToolCall(t *testing.T) {
	for _, tt := range []struct{ name, arguments, want string }{
		{"f", `{"a": 1}`, `{"name":"f","arguments":{"a":1}}`},
		{"f", `"{\"a\": 1}"`, `{"name":"f","arguments":{"a":1}}`},
		{"f", `"{oops"`, `{"name":"f","arguments":"{oops"}`},
		{"f", `""`, `{"name":"f","arguments":""}`},
		{"f", ``, `{"name":"f","arguments":null}`},
		{"f", `{oops`, `{"name":"f","arguments":null}`},
		{"</tool_call>", `"</tool_call><OUTPUT>"`, `{"name":"\u003c/tool_call\u003e","arguments":"\u003c/tool_call\u003e\u003cOUTPUT\u003e"}`},
		{"f", "{\"a\":\"\xff\"}", "{\"name\":\"f\",\"arguments\":{\"a\":\"\uFFFD\"}}"},
	} {
		require.Equal(t, "<tool_call>\n"+tt.want+"\n</tool_call>", wire.ToolCall(tt.name, json.RawMessage(tt.arguments)))
	}
}

// However a call is written, it is one block of valid text without a tag inside.
func TestToolCallsCannotPassForTags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		arguments := rapid.SliceOf(rapid.Byte()).Draw(t, "arguments")
		if rapid.Bool().Draw(t, "as a string") {
			arguments, _ = json.Marshal(string(arguments)) //nolint:errchkjson // a string
		}
		got := wire.ToolCall(name, arguments)
		if !utf8.ValidString(got) || strings.Count(got, "<") != 2 || strings.Count(got, ">") != 2 {
			t.Fatalf("%q", got)
		}
	})
}

func TestLenientReading(t *testing.T) {
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	require.True(t, wire.Missing(nil))
	require.True(t, wire.Missing(raw("null")))
	require.False(t, wire.Missing(raw("0")))
	require.Equal(t, "a", wire.String(raw(`"a"`)))
	require.Empty(t, wire.String(raw(`7`)))
	for in, want := range map[string]int64{`7`: 7, `"7"`: 7, `7.9`: 7, `-1`: 0, `1e300`: 0, `[]`: 0, `"x"`: 0, `null`: 0, ``: 0} {
		require.Equal(t, want, wire.Count(raw(in)), in)
	}
	require.True(t, wire.Bool(raw("true")))
	require.False(t, wire.Bool(raw(`"true"`)))
	require.Len(t, wire.Object(raw(`{"a":1}`)), 1)
	require.Nil(t, wire.Object(raw(`[1]`)))
	require.Len(t, wire.List(raw(`[1]`)), 1)
	require.Nil(t, wire.List(raw(`{}`)))
	require.NotNil(t, wire.List(raw(`[]`)), "an empty list is one")
	require.Equal(t, "ab", wire.ModelID(raw(`"a\u001b\u202eb"`)))
	require.LessOrEqual(t, len(wire.ModelID(raw(`"`+strings.Repeat("é", 300)+`"`))), wire.MaxModelID)
}

func TestSplitSystem(t *testing.T) {
	chat := func(roles ...string) model.Request {
		var req model.Request
		for i, role := range roles {
			req.Messages = append(req.Messages, model.Message{Role: role, Content: string(rune('a' + i))})
		}
		return req
	}
	system, turns, err := wire.SplitSystem(chat("system", "system", "user", "assistant"))
	require.NoError(t, err)
	require.Equal(t, "a\n\nb", system)
	require.Len(t, turns, 2)
	system, turns, err = wire.SplitSystem(chat())
	require.NoError(t, err)
	require.Empty(t, system)
	require.Empty(t, turns)
	_, _, err = wire.SplitSystem(chat("user", "system"))
	var unsupported *model.UnsupportedError
	require.ErrorAs(t, err, &unsupported)
	require.Equal(t, "messages", unsupported.Parameter)
	require.True(t, wire.Prefill(chat("user", "assistant")))
	require.False(t, wire.Prefill(chat("assistant", "user")))
	require.False(t, wire.Prefill(chat()))
}
