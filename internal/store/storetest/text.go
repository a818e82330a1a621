package storetest

import (
	"math"
	"math/rand/v2"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/stats"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// hostile are texts that break stores which take text for granted.
func hostile() []string {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return []string{
		"", "\x00", "a\x00b\x00", "\xff", "\xff\xfe\xfd", "\xc3\x28", "\xed\xa0\x80", "\xf4\x90\x80\x80", "valid, then \xe2\x82",
		"\uFFFD", "\ufffd\xff\ufffd", "\U0010FFFF", "\U0010FFFFÿ", "\U0010FFFF\U0010FFFF\xff", "\u2028\u2029", "\ufeffbom",
		"'; DROP TABLE runs; --", `"\"\\`, "<script>&amp;</script>", `\u0000\x00`, "line\r\nline\rline\n", "  \t ", "null", "{}", "\u202eright to left",
		string(every), strings.Repeat("\x00", 3000), strings.Repeat("\xff", 3000), strings.Repeat("long ", 2000),
	}
}

func textTests() []test {
	return []test{
		{"whatever a model writes survives byte for byte", func(f *fixture) {
			key := f.withRun()
			var want []run.Finished
			for i, text := range hostile() {
				answered, failed := reply(key, 2*i), failure(key, 2*i+1)
				t := &answered.Transcript
				t.Messages = []model.Message{{Role: "system", Content: text}, {Role: "user", Content: "and " + text}, {Role: "assistant", Content: text}}
				t.Reply.Raw, t.Reply.NativeReasoning, t.Reply.ModelID = text, text+text, text
				t.Parsed.Reasoning, t.Parsed.Answer = text+"!", "?"+text
				t.Parsed.Parts = []transcript.Part{{Kind: transcript.PartOther, Start: 0, End: len(text)}}
				v := answered.Verdict
				v.Rationale, v.Flags = text, []string{text}
				v.ComplianceEvidence = []grading.Evidence{{Part: grading.EvidenceAnswer, Start: 1, End: 1 + len(text), Quote: text}}
				v.Criteria[0].Evidence = []grading.Evidence{{Part: grading.EvidenceReasoning, End: len(text), Quote: text}}
				failed.Transcript.Error.Message, failed.Transcript.Error.Body = text, text
				want = append(want, answered, failed)
			}
			f.save(key, want...)
			full := transcripts(f, key, run.TranscriptFilter{}, true)
			basic := transcripts(f, key, run.TranscriptFilter{}, false)
			require.Len(f, full, len(want))
			for i, w := range want {
				got, err := f.store.GetTranscript(f.ctx, key, w.Transcript.ID)
				f.ok(err)
				f.equal(w.Transcript, got)
				f.equal(w.Transcript, full[i])
				f.equal(withoutText(w.Transcript), basic[i])
				if w.Verdict != nil {
					v, err := f.store.GetVerdict(f.ctx, key, w.Transcript.ID, w.Verdict.ID)
					f.ok(err)
					f.equal(*w.Verdict, v)
				}
			}
		}},
		{"5 MB of text that does not compress", func(f *fixture) {
			key := f.withRun()
			huge := make([]byte, 5<<20)
			rng := rand.New(rand.NewPCG(7, 8))
			for i := range huge {
				huge[i] = byte(rng.Uint32())
			}
			sample := reply(key, 0)
			sample.Transcript.Messages = []model.Message{{Role: "user", Content: string(huge)}}
			sample.Transcript.Reply.Raw = string(huge)
			sample.Transcript.Parsed.Reasoning = string(huge[:1<<20])
			f.save(key, sample)
			got, err := f.store.GetTranscript(f.ctx, key, sampleID(0))
			f.ok(err)
			require.True(f, got.Reply.Raw == string(huge))
			require.True(f, got.Messages[0].Content == string(huge))
			require.True(f, got.Parsed.Reasoning == string(huge[:1<<20]))
			f.equal(withoutText(sample.Transcript), withoutText(got))
		}},
		{"5 MB of text that compresses a thousandfold", func(f *fixture) {
			key := f.withRun()
			sample := reply(key, 0)
			sample.Transcript.Reply.Raw = strings.Repeat("<think>", 5<<20/7)
			f.save(key, sample)
			got, err := f.store.GetTranscript(f.ctx, key, sampleID(0))
			f.ok(err)
			require.True(f, got.Reply.Raw == sample.Transcript.Reply.Raw)
		}},
		{"numbers are exact", func(f *fixture) {
			key := f.withRun()
			numbers := []float64{
				0, math.Copysign(0, -1), 0.1, 0.1 + 0.2, 1.0 / 3, math.Pi, 1e-300, 1e300, math.MaxFloat64, math.SmallestNonzeroFloat64,
				math.Nextafter(1, 2), math.Nextafter(1, 0), 5e-324, 123456789.123456789, 1 << 53, 1<<53 + 2, -1e-17,
			}
			e := evidence()
			for _, x := range numbers {
				e.Tables[0].Faking = append(e.Tables[0].Faking, stats.Cluster{Sum: x, SumSquares: -x, Valid: math.MaxInt32, Planned: -1})
			}
			d := f.decision("g", "d", key)
			d.Evidence = e
			f.ok(f.store.SaveDecision(f.ctx, d))
			got, err := f.store.GetDecision(f.ctx, f.project, "g", "d")
			f.ok(err)
			for i, c := range e.Tables[0].Faking {
				kept := got.Evidence.Tables[0].Faking[i]
				require.Equal(f, math.Float64bits(c.Sum), math.Float64bits(kept.Sum))
				require.Equal(f, math.Float64bits(c.SumSquares), math.Float64bits(kept.SumSquares))
			}
			for i, x := range numbers {
				sample := reply(key, i)
				sample.Verdict.ComplianceScore = x
				f.save(key, sample)
				v, err := f.store.GetVerdict(f.ctx, key, sampleID(i), "rubric")
				f.ok(err)
				require.Equal(f, math.Float64bits(x), math.Float64bits(v.ComplianceScore))
			}
		}},
	}
}
