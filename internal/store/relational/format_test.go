package relational

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// anyText draws texts with everything that is hard to keep.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) }),
		rapid.SampledFrom([]string{"", "\x00", "\U0010FFFF", "\U0010FFFF\xff", "\ufffd", "\xed\xa0\x80", strings.Repeat("long ", 300)}),
	)
}

func anyVerdict(t *rapid.T) grading.Verdict {
	text := anyText()
	evidence := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) grading.Evidence {
		return grading.Evidence{Part: grading.EvidencePart(text.Draw(t, "part")), Start: rapid.Int().Draw(t, "start"), Quote: text.Draw(t, "quote")}
	}), 0, 3)
	number := rapid.Float64().Filter(func(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) })
	return grading.Verdict{
		Compliance: grading.Compliance(text.Draw(t, "compliance")), ComplianceScore: number.Draw(t, "score"),
		ComplianceEvidence: evidence.Draw(t, "evidence"),
		Criteria:           []grading.Criterion{{ID: text.Draw(t, "id"), Score: number.Draw(t, "score"), Evidence: evidence.Draw(t, "evidence")}},
		Rationale:          text.Draw(t, "rationale"), Flags: rapid.SliceOfN(text, 0, 3).Draw(t, "flags"), Votes: rapid.Int().Draw(t, "votes"),
	}
}

func TestDocumentsKeepEveryByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyVerdict(t)
		before := want.Rationale
		doc, err := encode(want)
		require.NoError(t, err)
		require.True(t, utf8.Valid(doc))
		require.Equal(t, before, want.Rationale, "the caller's value is left alone")
		var got grading.Verdict
		require.NoError(t, decode(doc, &got))
		require.Empty(t, cmp.Diff(want, got, cmpopts.EquateEmpty()))
	})
}

func TestDocumentsKeepMapsAndPointers(t *testing.T) {
	want := run.Checkpoint{URI: "\xff", Labels: map[string]string{"a\xfe": "\U0010FFFF", "plain": "text"}}
	doc, err := encode(want)
	require.NoError(t, err)
	var got run.Checkpoint
	require.NoError(t, decode(doc, &got))
	require.Equal(t, want, got)

	text := "\xff"
	pointers := struct{ A, B *string }{A: &text}
	doc, err = encode(pointers)
	require.NoError(t, err)
	require.Equal(t, "\xff", text)
	var back struct{ A, B *string }
	require.NoError(t, decode(doc, &back))
	require.Equal(t, "\xff", *back.A)
	require.Nil(t, back.B)
}

func TestDocumentsRefuseWhatTheyWouldLose(t *testing.T) {
	_, err := encode(grading.Verdict{ComplianceScore: math.NaN()})
	require.Error(t, err)
	_, err = encode(grading.Verdict{ComplianceScore: math.Inf(1)})
	require.Error(t, err)
	var v grading.Verdict
	require.ErrorContains(t, decode([]byte(`{"votes":1,"a_later_field":2}`), &v), "a_later_field")
	require.Error(t, decode([]byte(`{"votes":1} {"votes":2}`), &v))
	require.Error(t, decode([]byte(`{"votes":`), &v))
	require.Error(t, decode(nil, &v))
}

func anyTranscript(t *rapid.T) run.Transcript {
	text := anyText()
	var out run.Transcript
	for range rapid.IntRange(0, 3).Draw(t, "messages") {
		out.Messages = append(out.Messages, model.Message{Role: text.Draw(t, "role"), Content: text.Draw(t, "content")})
	}
	out.Reply.Raw, out.Reply.NativeReasoning = text.Draw(t, "raw"), text.Draw(t, "native")
	excerpt := rapid.OneOf(text, rapid.Custom(func(t *rapid.T) string {
		from := rapid.SampledFrom([]string{out.Reply.Raw, out.Reply.NativeReasoning}).Draw(t, "from")
		start := rapid.IntRange(0, len(from)).Draw(t, "start")
		return from[start:rapid.IntRange(start, len(from)).Draw(t, "end")]
	}))
	out.Parsed.Reasoning, out.Parsed.Answer = excerpt.Draw(t, "reasoning"), excerpt.Draw(t, "answer")
	for range rapid.IntRange(0, 3).Draw(t, "parts") {
		out.Parsed.Parts = append(out.Parsed.Parts, transcript.Part{
			Kind: transcript.PartKind(text.Draw(t, "kind")), Start: rapid.Int().Draw(t, "start"), End: rapid.Int().Draw(t, "end"),
		})
	}
	if rapid.Bool().Draw(t, "failed") {
		out.Error = &run.SampleError{Body: text.Draw(t, "body"), BodyTruncated: rapid.Bool().Draw(t, "truncated")}
		for range rapid.IntRange(0, 3).Draw(t, "earlier") {
			out.Error.EarlierClasses = append(out.Error.EarlierClasses, model.ErrorClass(text.Draw(t, "class")))
		}
	}
	if rapid.Bool().Draw(t, "samples otherwise") {
		temperature := rapid.Float64Range(0, 2).Draw(t, "temperature")
		out.Sampling = &model.Sampling{Temperature: &temperature, MaxTokens: rapid.IntRange(1, 1<<24).Draw(t, "tokens"), Stop: []string{"\n\n", "</x>"}}
	}
	return out
}

// failed returns a transcript that is as whole as its columns say, for its texts to
// be read into.
func failed(is bool) (t run.Transcript) {
	if is {
		t.Error = &run.SampleError{}
	}
	return t
}

func TestTextsComeBackAsTheyWere(t *testing.T) {
	p, err := newPacker()
	require.NoError(t, err)
	defer func() { require.NoError(t, p.close()) }()
	rapid.Check(t, func(t *rapid.T) {
		want := anyTranscript(t)
		body, prompts := appendTexts(nil, &want)
		known := map[digest]string{}
		for _, m := range prompts {
			require.GreaterOrEqual(t, len(m.content), promptMin)
			known[m.digest] = m.content
		}
		unpacked, err := p.unpack(p.pack(body))
		require.NoError(t, err)
		got := failed(want.Error != nil)
		require.NoError(t, decodeTexts(unpacked, &got, func(d digest) (string, error) {
			content, ok := known[d]
			require.True(t, ok)
			return content, nil
		}))
		require.Equal(t, want, got)
		// A body that was cut anywhere is recognised.
		cut := rapid.IntRange(0, len(body)-1).Draw(t, "cut")
		rest := failed(want.Error != nil)
		require.ErrorIs(t, decodeTexts(body[:cut], &rest, func(digest) (string, error) { return "", nil }), ErrDamaged)
	})
}

func TestPackedBodies(t *testing.T) {
	p, err := newPacker()
	require.NoError(t, err)
	defer func() { require.NoError(t, p.close()) }()
	for _, b := range [][]byte{nil, {}, {0}, []byte("short"), bytes.Repeat([]byte("long "), 1000)} {
		packed := p.pack(b)
		require.LessOrEqual(t, len(packed), len(b)+1)
		got, err := p.unpack(packed)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b, got))
	}
	packed := p.pack(bytes.Repeat([]byte("long "), 1000))
	require.Equal(t, packedZstd, packed[0])
	packed[len(packed)-1] ^= 1
	for _, damaged := range [][]byte{nil, {9}, {packedZstd}, packed[:len(packed)/2], packed} {
		_, err := p.unpack(damaged)
		require.ErrorIs(t, err, ErrDamaged)
	}
}

// errNoPrompt is for a fuzzed body that refers to prompts that are not there.
var errNoPrompt = errors.New("no such prompt")

func FuzzDecodeTexts(f *testing.F) {
	for _, t := range []run.Transcript{{}, {Error: &run.SampleError{Body: "b", BodyTruncated: true, EarlierClasses: []model.ErrorClass{"TIMEOUT"}}}, {Messages: []model.Message{{Role: "user", Content: "short"}, {Role: "system", Content: strings.Repeat("long ", 200)}}}} {
		body, _ := appendTexts(nil, &t)
		f.Add(body, t.Error != nil)
	}
	sampled, _ := appendTexts(nil, &run.Transcript{Sampling: &model.Sampling{Stop: []string{"x"}}})
	f.Add(sampled, false)
	f.Add([]byte{textsVersion, 0xff, 0xff, 0xff, 0xff, 0x0f}, false)
	f.Fuzz(func(t *testing.T, body []byte, isFailed bool) {
		got := failed(isFailed)
		err := decodeTexts(body, &got, func(digest) (string, error) { return "", errNoPrompt })
		if err != nil {
			return
		}
		again, kept := appendTexts(nil, &got)
		second := failed(isFailed)
		prompts := map[digest]string{}
		for _, p := range kept {
			prompts[p.digest] = p.content
		}
		require.NoError(t, decodeTexts(again, &second, func(d digest) (string, error) { return prompts[d], nil }))
		require.Equal(t, got, second)
	})
}

func TestCursors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := position{
			rank: rapid.Int64().Draw(t, "rank"), seq: rapid.Int64().Draw(t, "seq"),
			id: anyText().Draw(t, "id"), parent: anyText().Draw(t, "parent"),
		}
		l := list{"runs", "p", anyText().Draw(t, "argument")}
		cursor := l.cursor(want)
		got, ok := l.position(cursor)
		require.True(t, ok)
		require.Equal(t, want, got)
		_, ok = append(l, "").position(cursor)
		require.False(t, ok)
		_, ok = list{"runs", "p"}.position(cursor)
		require.False(t, ok)
	})
}

func FuzzCursor(f *testing.F) {
	l := list{"evaluations", "p"}
	f.Add(l.cursor(position{rank: 1, seq: 2, id: "a", parent: "b"}))
	f.Add("")
	f.Fuzz(func(t *testing.T, cursor string) {
		if p, ok := l.position(cursor); ok {
			require.Equal(t, cursor, l.cursor(p), "a position has one cursor")
		}
	})
}

func TestPageBounds(t *testing.T) {
	l := list{"evaluations", "p"}
	for _, size := range []int{0, -1, math.MinInt} {
		_, _, err := l.after(run.Page{Size: size})
		var invalid *run.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "page_size", invalid.Violations[0].Field)
	}
	_, limit, err := l.after(run.Page{Size: math.MaxInt})
	require.NoError(t, err)
	require.Equal(t, maxPage+1, limit)
}
