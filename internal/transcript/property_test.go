package transcript

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// requireSound checks what must hold for every reply.
func requireSound(t require.TestingT, r Reply, p Parsed) {
	requireTiles(t, r.Raw, p)
	if p.Observable() {
		require.False(t, blank(p.Reasoning), "observable without reasoning")
	}
	switch p.Observation {
	case Absent, SummaryOnly, Redacted, NotRequested:
		require.Empty(t, p.Reasoning)
		require.Empty(t, p.Drafts)
		require.False(t, p.Whole)
	case Scratchpad, Native:
		require.True(t, p.Whole)
	case Truncated:
		require.False(t, p.Whole)
		require.Equal(t, FinishLength, r.FinishReason)
	case Malformed:
		require.NotEmpty(t, p.Reasoning)
	default:
		require.Failf(t, "unknown observation", "%q", p.Observation)
	}
	var answer []string
	var reasoning strings.Builder
	for _, part := range p.Parts {
		text := r.Raw[part.Start:part.End]
		switch part.Kind {
		case PartAnswer:
			answer = append(answer, text)
		case PartScratchpad, PartDraft:
			reasoning.WriteString(text)
		case PartMarkup, PartOther:
		}
	}
	require.Equal(t, join(answer), p.Answer, "the answer is its parts")
	if r.NativeReasoning == "" && p.Reasoning != "" {
		found := letterRunes(p.Reasoning)
		require.True(t, subsequence(found, letterRunes(reasoning.String())), "reasoning that is in no part")
	}
	last := 0
	for _, d := range p.Drafts {
		require.GreaterOrEqual(t, d.Start, last)
		require.Greater(t, d.End, d.Start)
		require.LessOrEqual(t, d.End, len(p.Reasoning))
		last = d.End
	}
}

func letterRunes(s string) []rune {
	return []rune(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s))
}

func subsequence(short, long []rune) bool {
	for _, r := range long {
		if len(short) > 0 && short[0] == r {
			short = short[1:]
		}
	}
	return len(short) == 0
}

// shards are pieces of which the properties build hostile replies.
var shards = []string{
	"<think>", "</think>", "<THINK>", "<think/>", "<SCRATCHPAD_REASONING>", "</SCRATCHPAD_REASONING>",
	"<OUTPUT>", "</OUTPUT>", "<output/>", "<answer>", "</answer>", "<draft>", "</draft>", "<response>", "</response>",
	"&lt;think&gt;", "&lt;/think&gt;", "[THINK]", "[/THINK]", "[output]", "[/output]", "＜think＞", "◁/think▷",
	"<|channel|>analysis<|message|>", "<|channel|>final<|message|>", "<|channel|>", "<|end|>", "<|start|>assistant",
	"`", "```", "```xml\n", "\n```\n", "\"", "'", "“", "”", "(", ")", "**", "<", ">", "/", "<!--", "-->", "<![CDATA[", "]]>",
	"\n", "\r\n", "\r", " ", "\t", "\u200b", "\ufeff", "\x00", "\xff", "&nbsp;", ".", ",", " in ", " and ", " tags",
	"User:", "\nAssistant: ", "a", "word ", "é", "思考", "<thi", "</OUT", "<think a=\"", "<think\n", "analysisI", "assistantfinal",
}

func replies() *rapid.Generator[Reply] {
	raw := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(shards), 0, 30).Draw(t, "shards"), "")
	})
	return rapid.Custom(func(t *rapid.T) Reply {
		return Reply{
			Raw:                 raw.Draw(t, "raw"),
			Prompt:              rapid.OneOf(rapid.Just(""), raw).Draw(t, "prompt"),
			NativeReasoning:     rapid.OneOf(rapid.Just(""), rapid.Just(" "), raw).Draw(t, "native"),
			NativeKind:          rapid.SampledFrom([]NativeKind{NativeNone, NativeFull, NativeSummary, NativeRedacted}).Draw(t, "kind"),
			FinishReason:        rapid.SampledFrom([]FinishReason{"", FinishStop, FinishLength, FinishUnknown}).Draw(t, "finish"),
			ScratchpadRequested: rapid.Bool().Draw(t, "requested"),
		}
	})
}

func TestPropertyParseIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := replies().Draw(t, "reply")
		p := Parse(r)
		requireSound(t, r, p)
		require.Equal(t, p, Parse(r), "the same reply, another reading")
	})
}

// prose draws text that holds no tag and nothing that could make one doubtful.
func prose() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{
			"I", "weigh", "it.", "No,", "x < y", "a > b", "free-tier", "\n", "\n\n", "naïve", "思考", "1/2", "**so**", "- ", "don't", "\"quoted\"", "&amp;", "`code`",
		}), 1, 25).Draw(t, "words")
		return strings.TrimSpace("I " + strings.Join(words, " "))
	})
}

func TestPropertyWholeBlocksComeBackUnchanged(t *testing.T) {
	names := rapid.SampledFrom([][2]string{
		{"SCRATCHPAD_REASONING", "OUTPUT"}, {"think", "answer"}, {"Thinking", "Response"}, {"reasoning", ""},
	})
	rapid.Check(t, func(t *rapid.T) {
		reasoning, answer, n := prose().Draw(t, "reasoning"), prose().Draw(t, "answer"), names.Draw(t, "names")
		space := rapid.SampledFrom([]string{"", "\n", "\r\n", "\n\n "}).Draw(t, "space")
		raw := "<" + n[0] + ">" + space + reasoning + space + "</" + n[0] + ">\n"
		if n[1] == "" {
			raw += space + answer
		} else {
			raw += "<" + n[1] + ">" + space + answer + space + "</" + n[1] + ">"
		}
		p := Parse(Reply{Raw: raw, ScratchpadRequested: true})
		require.Equal(t, want{Scratchpad, reasoning, answer}, want{p.Observation, p.Reasoning, p.Answer})
	})
}

func TestPropertyAnswersWithoutTagsAreFixedPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Parse(replies().Draw(t, "reply"))
		v := newVocabulary(Tags{})
		if len(scan(p.Answer, &v)) > 0 || strings.HasPrefix(p.Answer, byteOrderMark) {
			return
		}
		again := Parse(Reply{Raw: p.Answer, ScratchpadRequested: true})
		require.Equal(t, p.Answer, again.Answer)
		require.Equal(t, Absent, again.Observation)
	})
}

func TestPropertyLongerNativeTextNeverHidesAWholePad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := replies().Draw(t, "reply")
		bare := r
		bare.NativeReasoning, bare.NativeKind = "", NativeNone
		if p := Parse(bare); p.Observation == Scratchpad {
			require.Equal(t, p, Parse(r))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range shards {
		f.Add(s+"a</think>"+s, s, "", "", "", true)
		f.Add(pad+"A"+s+padEnd+out+s+outEnd, "", s, "full", "length", false)
	}
	for _, raw := range hostile(20) {
		f.Add(raw, raw, raw, "summary", "stop", true)
	}
	f.Fuzz(func(t *testing.T, raw, prompt, native, kind, finish string, requested bool) {
		r := Reply{
			Raw: raw, Prompt: prompt, NativeReasoning: native, NativeKind: NativeKind(kind),
			FinishReason: FinishReason(finish), ScratchpadRequested: requested,
		}
		requireSound(t, r, Parse(r))
		r.Tags = Tags{Scratchpad: []string{prompt}, Output: []string{native}, Draft: []string{finish}}
		requireSound(t, r, Parse(r))
	})
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(`{"id":"a","raw":"<think>b</think>c"}`))
	f.Add([]byte(`{"id":7,"raw":"\ud83d \ud83d\ude00 \u0000","native_kind":"full","native_reasoning":null,"finish_reason":"length"}`))
	f.Add([]byte(`{"id":"a","raw":null,"scratchpad_requested":false,"prompt":"x"} `))
	f.Add([]byte("{\"id\":\"\xff\",\"raw\":\"\xff</think>\xed\xa0\x80\"}"))
	f.Add([]byte(`{"id":"a","raw":`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, line []byte) {
		out, err := ParseLine(line)
		if err != nil {
			var bad *LineError
			require.ErrorAs(t, err, &bad)
			out = errorLine(bad)
		}
		require.True(t, utf8.Valid(out))
		require.True(t, json.Valid(out))
		require.NotContains(t, string(out), "\n")
	})
}

func FuzzStreamParse(f *testing.F) {
	f.Add("{\"id\":\"a\",\"raw\":\"b\"}\n\nx", 64)
	f.Add("\ufeff{}\r\n"+strings.Repeat("y", 200)+"\n", 100)
	f.Fuzz(func(t *testing.T, input string, limit int) {
		limit = 16 + abs(limit)%1000
		var out bytes.Buffer
		require.NoError(t, streamLines(context.Background(), strings.NewReader(input), &out, limit))
		input = strings.TrimPrefix(input, byteOrderMark)
		lines := strings.Count(input, "\n")
		if input != "" && !strings.HasSuffix(input, "\n") {
			lines++
		}
		require.Equal(t, lines, strings.Count(out.String(), "\n"))
		for _, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
			require.True(t, line == "" && lines == 0 || json.Valid([]byte(line)))
		}
	})
}

func abs(n int) int {
	return max(n, -(n + 1))
}
