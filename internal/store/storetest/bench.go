package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
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

func benchRun(b *testing.B, s run.Store, id string) run.RunKey {
	b.Helper()
	key := run.RunKey{Project: "default", Evaluation: "e", Run: id}
	_, err := s.CreateEvaluation(b.Context(), run.Evaluation{Project: key.Project, ID: key.Evaluation, RequestID: "e"})
	require.NoError(b, err)
	_, err = s.CreateRun(b.Context(), run.Run{RunKey: key, State: run.Running})
	require.NoError(b, err)
	return key
}

// numbered returns the i-th sample of a long run made of a few.
func numbered(samples []run.Finished, key run.RunKey, i int) run.Finished {
	one := samples[i%len(samples)]
	verdict := *one.Verdict
	one.Transcript.RunKey, verdict.RunKey = key, key
	one.Transcript.Index = i
	one.Transcript.ID = fmt.Sprintf("%s-%d", one.Transcript.ID, i)
	verdict.Transcript, one.Verdict = one.Transcript.ID, &verdict
	return one
}

// BenchmarkSaveFinished saves b.N samples one at a time, as workers do, with as
// many callers as concurrency on as many runs, and reports samples a second.
func BenchmarkSaveFinished(b *testing.B, s run.Store, concurrency, runs int) {
	keys := make([]run.RunKey, runs)
	for i := range keys {
		keys[i] = benchRun(b, s, fmt.Sprint("r", i))
	}
	samples := benchSamples(keys[0], 2400)
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
				key := keys[i%runs]
				if _, err := s.SaveFinished(context.Background(), key, []run.Finished{numbered(samples, key, i)}); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	workers.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}

// Fill puts a run of n samples into a store.
func Fill(b *testing.B, s run.Store, n int) run.RunKey {
	b.Helper()
	key := benchRun(b, s, "r")
	samples := benchSamples(key, 2400)
	for from := 0; from < n; from += 400 {
		batch := make([]run.Finished, 0, 400)
		for i := from; i < min(from+400, n); i++ {
			batch = append(batch, numbered(samples, key, i))
		}
		_, err := s.SaveFinished(b.Context(), key, batch)
		require.NoError(b, err)
	}
	return key
}

// BenchmarkRead reads a run of 100,000 samples in the ways that are used.
func BenchmarkRead(b *testing.B, s run.Store) {
	const n = 100_000
	key := Fill(b, s, n)
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
