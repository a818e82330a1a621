package rpc

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// fill sets every field of a value: texts to text, numbers to 1, lists and maps
// to one entry, pointers to something.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), text)
		}
	}
}

func filled[T any](text string) T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), text)
	return v
}

// Models write any bytes, and a message with a text that is not valid cannot be
// sent at all: one such reply would make a whole list unreadable.
func TestEverythingThatAModelMayTouchCanBeSent(t *testing.T) {
	const hostile = "a\xff\xfeb\x00\U0001F600\xed\xa0\x80"
	transcripts := filled[run.Transcript](hostile)
	withError := transcripts
	transcripts.Error = nil
	verdict := filled[run.Verdict](hostile)
	decision := filled[run.Decision](hostile)
	results := filled[run.Results](hostile)
	// Ids, digests and names of methods are ours.
	for i := range results.Scenarios {
		s := &results.Scenarios[i]
		s.Scenario = run.ScenarioRef{ID: "s", Revision: "r"}
		s.Conditions[0].Condition, s.Contrasts[0] = "c", run.ContrastResults{}
		for _, r := range []*run.Rate{&s.Conditions[0].Refusal, &s.Conditions[0].Partial, &s.Conditions[0].Compliance, &s.Conditions[0].AlignmentFaking, &s.Conditions[0].AlignmentFakingReasoning, &s.Conditions[0].Behaviors[0].Rate} {
			r.Method = "m"
		}
		s.Controls[0].ID = "c"
	}
	for i := range results.Families {
		f := &results.Families[i]
		f.Family, f.Contrast, f.Training, f.Unmonitored = "s", "c", "free", "paid"
		f.Members[0].Scenario, f.Members[0].ComplianceGap.Method = run.ScenarioRef{ID: "s", Revision: "r"}, "m"
		f.Worst.Scenario, f.Worst.Method = run.ScenarioRef{ID: "s", Revision: "r"}, "m"
	}
	for name, key := range map[string]*run.RunKey{"t": &transcripts.RunKey, "e": &withError.RunKey, "v": &verdict.RunKey, "d": &decision.Run} {
		*key = run.RunKey{Evaluation: "e", Run: name}
	}
	for _, s := range []*run.Sample{&transcripts.Sample, &withError.Sample} {
		*s = run.Sample{ID: "s", Scenario: run.ScenarioRef{ID: "s"}, Condition: "c", Query: "q"}
	}
	verdict.Transcript, verdict.ID, verdict.Grader, verdict.GraderDigest = "s", "v", "g", "d"
	decision.Gate, decision.ID, decision.PolicyDigest, decision.EvidenceDigest = "g", "d", "p", "e"

	for name, m := range map[string]proto.Message{
		"transcript":            toTranscript(transcripts, true),
		"transcript in short":   toTranscript(transcripts, false),
		"transcript with error": toTranscript(withError, true),
		"verdict":               toVerdict(verdict),
		"decision":              toDecision(decision),
		"run":                   toRun(run.Run{RunKey: verdict.RunKey, Error: hostile, Checkpoint: run.Checkpoint{URI: hostile}, Results: &results}, true),
	} {
		t.Run(name, func(t *testing.T) {
			data, err := proto.Marshal(m)
			require.NoError(t, err)
			require.NotEmpty(t, data)
			_, err = protojson.Marshal(m)
			require.NoError(t, err)
		})
	}
}

func TestTextsComeAsStringsAndExactlyWhereThatDiffers(t *testing.T) {
	for _, tt := range []struct {
		name, in, text string
		exact          bool
	}{
		{"valid text comes once", "grüße", "grüße", true},
		{"empty", "", "", true},
		{"a mark for each bad byte", "a\xff\xfeb", "a\uFFFD\uFFFDb", false},
		{"cut in the middle of a character", "é"[:1], "\uFFFD", false},
		{"a mark of the model's own is a character", "\uFFFD", "\uFFFD", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, bytes := exactly(tt.in)
			require.Equal(t, tt.text, text)
			if tt.exact {
				require.Nil(t, bytes)
				return
			}
			require.Equal(t, tt.in, string(bytes))
		})
	}
}

func TestExactBytesAreNeverLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "in"))
		text, bytes := exactly(in)
		require.True(t, utf8.ValidString(text))
		if bytes == nil {
			require.Equal(t, in, text)
			return
		}
		require.Equal(t, in, string(bytes))
	})
}

func kept() run.Transcript {
	const marker = "MARKER"
	return run.Transcript{
		RunKey:   run.RunKey{Project: "p", Evaluation: "e", Run: "r"},
		Sample:   run.Sample{ID: "s.free.q.0", Scenario: run.ScenarioRef{ID: "s", Revision: "sha256:1"}, Condition: "free", Query: "q"},
		Messages: []model.Message{{Role: "user", Content: marker}},
		Reply:    model.Reply{Raw: marker, NativeReasoning: marker, FinishReason: transcript.FinishStop, Attempts: 2},
		Parsed: transcript.Parsed{
			Observation: transcript.Malformed, Whole: true, Reasoning: marker, Answer: marker,
			Parts: []transcript.Part{{Kind: transcript.PartAnswer, Start: 0, End: 6}},
		},
		Compliance: grading.Complied, AlignmentFaking: grading.FakingPresent,
	}
}

func TestBasicViewHoldsNoText(t *testing.T) {
	full, basic := toTranscript(kept(), true), toTranscript(kept(), false)
	require.Equal(t, 5, strings.Count(protojson.Format(full), "MARKER"))
	require.NotContains(t, protojson.Format(basic), "MARKER")
	require.Empty(t, basic.GetParsed().GetParts())
	require.Equal(t, "evaluations/e/runs/r/transcripts/s.free.q.0", basic.GetName())
	require.Equal(t, int64(2), basic.GetReply().GetUsage().GetCalls())
}

func TestBothViewsAgreeOnWhatIsObservable(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*run.Transcript)
		want   bool
	}{
		{"malformed and whole", func(*run.Transcript) {}, true},
		{"malformed and not whole", func(k *run.Transcript) { k.Parsed.Whole, k.AlignmentFaking = false, grading.FakingNotObservable }, false},
		{"scratchpad", func(k *run.Transcript) { k.Parsed.Observation = transcript.Scratchpad }, true},
		{"absent", func(k *run.Transcript) {
			k.Parsed.Observation, k.Parsed.Whole, k.AlignmentFaking = transcript.Absent, false, grading.FakingNotObservable
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := kept()
			tt.change(&k)
			require.Equal(t, tt.want, toTranscript(k, true).GetParsed().GetObservable())
			// The store returns no texts for lists.
			k.Messages, k.Reply.Raw, k.Reply.NativeReasoning, k.Parsed.Reasoning, k.Parsed.Answer, k.Parsed.Parts = nil, "", "", "", "", nil
			require.Equal(t, tt.want, toTranscript(k, false).GetParsed().GetObservable())
		})
	}
}

func TestTranscriptWithAnErrorHasNoReply(t *testing.T) {
	k := kept()
	k.Error = &run.SampleError{Class: model.ClassTimeout, Attempts: 3}
	out := toTranscript(k, true)
	require.Nil(t, out.GetReply())
	require.Nil(t, out.GetParsed())
	require.Equal(t, unmaskv1.SampleErrorClass_SAMPLE_ERROR_CLASS_TIMEOUT, out.GetError().GetClass())
	require.Zero(t, out.GetCompliance())
	require.Zero(t, out.GetAlignmentFaking())
}

func TestWhatAServerSentWithAFailureIsInTheFullViewAlone(t *testing.T) {
	k := kept()
	k.Error = &run.SampleError{
		Class: model.ClassUnavailable, Status: 502, Body: "<p>MARKER\xff", BodyTruncated: true,
		EarlierClasses: []model.ErrorClass{model.ClassTimeout, model.ClassRateLimited},
	}
	full := toTranscript(k, true).GetError()
	require.Equal(t, "<p>MARKER\ufffd", full.GetBody())
	require.Equal(t, []byte("<p>MARKER\xff"), full.GetBodyBytes())
	require.True(t, full.GetBodyTruncated())
	require.Equal(t, []unmaskv1.SampleErrorClass{
		unmaskv1.SampleErrorClass_SAMPLE_ERROR_CLASS_TIMEOUT, unmaskv1.SampleErrorClass_SAMPLE_ERROR_CLASS_RATE_LIMITED,
	}, full.GetEarlierClasses())
	basic := toTranscript(k, false).GetError()
	require.EqualValues(t, 502, basic.GetHttpStatus())
	require.NotContains(t, protojson.Format(basic), "MARKER")
	require.Empty(t, basic.GetBodyBytes())
	require.False(t, basic.GetBodyTruncated())
	require.Empty(t, basic.GetEarlierClasses())
}

func TestScoresOfWhatCouldNotBeSeenAreLeftOut(t *testing.T) {
	seen := toJudgement(grading.Verdict{Compliance: grading.Refused, AlignmentFaking: grading.FakingAbsent})
	require.NotNil(t, seen.ComplianceScore, "0 is a score")
	require.NotNil(t, seen.AlignmentFakingScore, "0 is a score")
	for _, faking := range []grading.Faking{grading.FakingNotObservable, grading.FakingUngradable, ""} {
		out := toJudgement(grading.Verdict{Compliance: grading.Ungradable, AlignmentFaking: faking})
		require.Nil(t, out.ComplianceScore)
		require.Nil(t, out.AlignmentFakingScore)
	}
}

func TestWhatIsUndefinedIsAbsent(t *testing.T) {
	out := protojson.Format(toResults(&run.Results{Scenarios: []run.ScenarioResults{{
		Conditions: []run.ConditionResults{{}}, Contrasts: []run.ContrastResults{{ComplianceGap: run.Gap{Lower: -1, Upper: 1}}},
	}}}))
	for _, name := range []string{"estimate", "standardError", "pValue", "minimumDetectableGap"} {
		require.NotContains(t, out, name)
	}
	zero := 0.0
	require.NotNil(t, toGap(run.Gap{Estimate: &zero}).Estimate, "an estimate of 0 is one")
}

// A policy means the same after a trip through the API, and so a gate that was
// read can be sent again.
func TestPoliciesSurviveTheTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Ptr(rapid.Float64Range(0, 1), true)
		in := gate.Policy{
			Requirements: gate.Requirements{
				MinQueries: rapid.IntRange(0, 1000).Draw(t, "min_queries"), MaxExcludedShare: share.Draw(t, "share"),
				MaxExclusionImbalance: share.Draw(t, "imbalance"), Controls: rapid.Ptr(rapid.Bool(), true).Draw(t, "controls"),
				MaxAge: time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "age")), PlanDigest: rapid.StringMatching(`(sha256:[0-9a-f]{64})?`).Draw(t, "digest"),
			},
		}
		for range rapid.IntRange(1, 4).Draw(t, "rules") {
			in.Rules = append(in.Rules, gate.Rule{
				ID: rapid.StringMatching(`[a-z0-9-]{0,10}`).Draw(t, "id"), Metric: rapid.SampledFrom(gate.Metrics()).Draw(t, "metric"),
				Scenario: rapid.StringMatching(`([a-z][a-z0-9]{0,5})?`).Draw(t, "scenario"), Contrast: rapid.StringMatching(`[a-z]{0,5}`).Draw(t, "contrast"),
				Max: rapid.Float64Range(-1, 1).Draw(t, "max"), Confidence: rapid.Float64Range(0.5, 0.99).Draw(t, "confidence"),
			})
		}
		require.Empty(t, cmp.Diff(in, fromPolicy(toPolicy(in)), cmpopts.EquateEmpty()))
	})
}

func TestCountsDoNotOverflow(t *testing.T) {
	require.Equal(t, int32(1<<31-1), count(int64(1)<<40))
	require.Equal(t, int32(7), count(7))
}
