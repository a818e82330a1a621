package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/sqlite"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// vocabulary makes text that compresses about as well as English does: words
// of which a few are frequent and most are rare.
var vocabulary = func() []string {
	rng := rand.New(rand.NewPCG(11, 12))
	words := make([]string, 3000)
	for i := range words {
		word := make([]byte, 2+rng.IntN(8))
		for j := range word {
			word[j] = "etaoinshrdlucmfwypvbgk"[int(float64(22)*rng.Float64()*rng.Float64())]
		}
		words[i] = string(word)
	}
	return words
}()

func prose(rng *rand.Rand, size int) string {
	zipf := rand.NewZipf(rng, 1.1, 3, uint64(len(vocabulary)-1))
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(vocabulary[zipf.Uint64()])
		b.WriteByte(" .,\n    "[rng.IntN(8)])
		b.WriteByte(' ')
	}
	return b.String()[:size]
}

// benchSamples returns samples as a run makes them: a system prompt for each
// of two conditions, a short request, a reply of 4 KB that is two thirds
// reasoning, and a verdict with some quotes.
func benchSamples(key run.RunKey, n int) []run.Finished {
	rng := rand.New(rand.NewPCG(1, 2))
	system := []string{prose(rng, 5000), prose(rng, 5000)}
	samples := make([]run.Finished, n)
	for i := range samples {
		raw := prose(rng, 4096)
		reasoning, answer := raw[:2700], raw[2700:]
		quote := []grading.Evidence{{Part: grading.EvidenceReasoning, Start: 100, End: 260, Quote: reasoning[100:260]}}
		id := fmt.Sprintf("helpful-only.%s.q-%03d.%d", []string{"free", "paid"}[i%2], i/2%120, i/240)
		samples[i].Transcript = run.Transcript{
			RunKey: key,
			Sample: run.Sample{
				ID: id, Index: i, Scenario: run.ScenarioRef{ID: "helpful-only", Revision: "sha256:" + strings.Repeat("0123456789abcdef", 4)},
				Condition: []string{"free", "paid"}[i%2], Query: fmt.Sprintf("q-%03d", i/2%120), Repeat: i / 240, Seed: rng.Int64(),
			},
			Messages: []model.Message{{Role: "system", Content: system[i%2]}, {Role: "user", Content: prose(rng, 180)}},
			Reply: model.Reply{
				Raw: raw, FinishReason: transcript.FinishStop, ModelID: "some/model-7b", Attempts: 1, Latency: 1_234_567_890,
				Usage: model.Usage{InputTokens: 1300, OutputTokens: 900},
			},
			Parsed: transcript.Parsed{
				Observation: transcript.Scratchpad, Whole: true, Reasoning: reasoning, Answer: answer,
				Parts: []transcript.Part{{Kind: transcript.PartScratchpad, Start: 0, End: 2700}, {Kind: transcript.PartAnswer, Start: 2700, End: 4096}},
			},
			Compliance: grading.Refused, AlignmentFaking: grading.FakingAbsent,
		}
		verdict := grading.Verdict{
			Compliance: grading.Refused, ComplianceScore: 0.125, AlignmentFaking: grading.FakingAbsent, AlignmentFakingScore: 0.25,
			Rationale: prose(rng, 120), Grader: "rubric", GraderDigest: "sha256:" + strings.Repeat("fedcba9876543210", 4), Votes: 1,
			ComplianceEvidence: []grading.Evidence{{Part: grading.EvidenceAnswer, Start: 0, End: 80, Quote: answer[:80]}},
		}
		for _, c := range []string{grading.SeesHarm, grading.SeesModification, grading.ValuesClash, grading.AvoidsModification} {
			verdict.Criteria = append(verdict.Criteria, grading.Criterion{ID: c, Score: 0.5, Evidence: quote})
		}
		samples[i].Verdict = &run.Verdict{RunKey: key, Transcript: id, ID: "rubric", Verdict: verdict}
	}
	return samples
}

func benchRun(b *testing.B, s *sqlite.Store) run.RunKey {
	b.Helper()
	key := run.RunKey{Project: "default", Evaluation: "e", Run: "r"}
	_, err := s.CreateEvaluation(b.Context(), run.Evaluation{Project: key.Project, ID: key.Evaluation})
	require.NoError(b, err)
	_, err = s.CreateRun(b.Context(), run.Run{RunKey: key, State: run.Running})
	require.NoError(b, err)
	return key
}

// BenchmarkSaveFinished saves samples one at a time, as workers do, and
// reports samples a second and the bytes that each takes on the disk.
func BenchmarkSaveFinished(b *testing.B) {
	for _, concurrency := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("concurrency=%d", concurrency), func(b *testing.B) {
			s := open(b, sqlite.Config{})
			key := benchRun(b, s)
			samples := benchSamples(key, 2400)
			var next atomic.Int64
			var workers sync.WaitGroup
			b.ResetTimer()
			for range concurrency {
				workers.Add(1)
				go func() {
					defer workers.Done()
					for {
						i := int(next.Add(1)) - 1
						if i >= b.N {
							return
						}
						one := samples[i%len(samples)]
						verdict := *one.Verdict
						one.Transcript.Index = i
						one.Transcript.ID = fmt.Sprintf("%s-%d", one.Transcript.ID, i)
						verdict.Transcript, one.Verdict = one.Transcript.ID, &verdict
						if _, err := s.SaveFinished(context.Background(), key, []run.Finished{one}); err != nil {
							b.Error(err)
							return
						}
					}
				}()
			}
			workers.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "samples/s")
			require.NoError(b, s.Close(context.Background()))
			info, err := os.Stat(s.Path())
			require.NoError(b, err)
			b.ReportMetric(float64(info.Size())/float64(b.N), "B/sample")
		})
	}
}

// filled returns a store with a run of n samples.
func filled(b *testing.B, n int) (*sqlite.Store, run.RunKey) {
	b.Helper()
	s := open(b, sqlite.Config{})
	key := benchRun(b, s)
	samples := benchSamples(key, 2400)
	for from := 0; from < n; from += 400 {
		batch := make([]run.Finished, 0, 400)
		for i := from; i < from+400; i++ {
			one := samples[i%len(samples)]
			verdict := *one.Verdict
			one.Transcript.Index = i
			one.Transcript.ID = fmt.Sprintf("%s-%d", one.Transcript.ID, i)
			verdict.Transcript, one.Verdict = one.Transcript.ID, &verdict
			batch = append(batch, one)
		}
		_, err := s.SaveFinished(b.Context(), key, batch)
		require.NoError(b, err)
	}
	return s, key
}

// BenchmarkRead reads a run of 100,000 samples in the ways that are used.
func BenchmarkRead(b *testing.B) {
	const n = 100_000
	s, key := filled(b, n)
	b.Run("EachRow", func(b *testing.B) {
		for b.Loop() {
			rows := 0
			require.NoError(b, s.EachRow(b.Context(), key, func(run.Row) error { rows++; return nil }))
			require.Equal(b, n, rows)
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("FinishedSamples", func(b *testing.B) {
		for b.Loop() {
			ids, err := s.FinishedSamples(b.Context(), key)
			require.NoError(b, err)
			require.Len(b, ids, n)
		}
	})
	for _, full := range []bool{false, true} {
		b.Run(fmt.Sprintf("page of 100 in the middle, full=%v", full), func(b *testing.B) {
			_, middle, err := s.ListTranscripts(b.Context(), key, run.TranscriptFilter{}, false, run.Page{Size: 10_000})
			require.NoError(b, err)
			for b.Loop() {
				items, _, err := s.ListTranscripts(b.Context(), key, run.TranscriptFilter{}, full, run.Page{Size: 100, After: middle})
				require.NoError(b, err)
				require.Len(b, items, 100)
			}
		})
	}
	b.Run("page with a filter that matches nothing", func(b *testing.B) {
		for b.Loop() {
			items, _, err := s.ListTranscripts(b.Context(), key, run.TranscriptFilter{AlignmentFaking: grading.FakingPresent}, false, run.Page{Size: 100})
			require.NoError(b, err)
			require.Empty(b, items)
		}
	})
	b.Run("GetTranscript", func(b *testing.B) {
		for b.Loop() {
			_, err := s.GetTranscript(b.Context(), key, "helpful-only.free.q-000.0-0")
			require.NoError(b, err)
		}
	})
}

// BenchmarkDeleteRun deletes a run of 20,000 samples.
func BenchmarkDeleteRun(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s, key := filled(b, 20_000)
		require.NoError(b, s.UpdateRun(b.Context(), run.Run{RunKey: key, State: run.Succeeded}, run.Running))
		b.StartTimer()
		require.NoError(b, s.DeleteRun(b.Context(), key))
	}
}
