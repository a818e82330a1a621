package storetest

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/transcript"
)

func transcriptTests() []test {
	return []test{
		{"a transcript comes back whole", func(f *fixture) {
			key := f.withRun()
			all := []run.Finished{reply(key, 0), failure(key, 1), long(key, 2)}
			f.save(key, all...)
			for i, want := range all {
				got, err := f.store.GetTranscript(f.ctx, key, sampleID(i))
				f.ok(err)
				f.equal(want.Transcript, got)
			}
		}},
		{"absent", func(f *fixture) {
			key := f.withRun()
			_, err := f.store.GetTranscript(f.ctx, key, "none")
			f.notFound(err)
			_, err = f.store.GetTranscript(f.ctx, f.key("e", "none"), sampleID(0))
			f.notFound(err)
			_, _, err = f.store.ListTranscripts(f.ctx, f.key("e", "none"), run.TranscriptFilter{}, false, run.Page{Size: 1})
			f.notFound(err)
		}},
		{"a list is without text unless full", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0), failure(key, 1), reply(key, 2))
			var full, basic []run.Transcript
			for i := range 3 {
				want := reply(key, i).Transcript
				if i == 1 {
					want = failure(key, i).Transcript
				}
				full = append(full, want)
				basic = append(basic, withoutText(want))
			}
			f.equal(full, transcripts(f, key, run.TranscriptFilter{}, true))
			f.equal(basic, transcripts(f, key, run.TranscriptFilter{}, false))
		}},
		{"every filter, alone and with others", filters},
		{"a cursor is bound to its filter", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0), reply(key, 1), reply(key, 2))
			_, next, err := f.store.ListTranscripts(f.ctx, key, run.TranscriptFilter{Condition: "free"}, false, run.Page{Size: 1})
			f.ok(err)
			require.NotEmpty(f, next)
			_, _, err = f.store.ListTranscripts(f.ctx, key, run.TranscriptFilter{Condition: "paid"}, false, run.Page{Size: 1, After: next})
			f.badToken(err)
		}},
		{"a transcript of empty values", func(f *fixture) {
			key := f.withRun()
			empty := run.Transcript{RunKey: key, Sample: run.Sample{ID: "s"}}
			f.save(key, run.Finished{Transcript: empty})
			got, err := f.store.GetTranscript(f.ctx, key, "s")
			f.ok(err)
			f.equal(empty, got)
			require.Nil(f, got.Error)
			f.equal([]run.Transcript{empty}, transcripts(f, key, run.TranscriptFilter{}, true))
			f.equal([]run.Row{{}}, rows(f, key))
		}},
		{"an error of empty values is an error", func(f *fixture) {
			key := f.withRun()
			failed := run.Transcript{RunKey: key, Sample: run.Sample{ID: "s"}, Error: &run.SampleError{}}
			f.save(key, run.Finished{Transcript: failed})
			got, err := f.store.GetTranscript(f.ctx, key, "s")
			f.ok(err)
			f.equal(failed, got)
			r, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			require.EqualValues(f, 1, r.Progress.Errors)
		}},
	}
}

func transcripts(f *fixture, key run.RunKey, filter run.TranscriptFilter, full bool) []run.Transcript {
	f.Helper()
	return all(f, 7, func(p run.Page) ([]run.Transcript, string, error) {
		return f.store.ListTranscripts(f.ctx, key, filter, full, p)
	})
}

func withoutText(t run.Transcript) run.Transcript {
	t.Messages, t.Parsed.Parts, t.Sampling = nil, nil, nil
	t.Reply.Raw, t.Reply.NativeReasoning, t.Parsed.Reasoning, t.Parsed.Answer = "", "", "", ""
	if t.Error != nil {
		e := *t.Error
		e.Body, e.BodyTruncated, e.EarlierClasses = "", false, nil
		t.Error = &e
	}
	return t
}

// varied returns samples that differ in everything a filter can ask for.
func varied(key run.RunKey, i int) run.Finished {
	f := kind(key, i)
	t := &f.Transcript
	t.ID = fmt.Sprintf("sample-%02d", i)
	t.Scenario.ID = []string{"one", "two"}[i%2]
	t.Condition = []string{"free", "paid", "other"}[i%3]
	t.Query = fmt.Sprintf("q-%d", i%4)
	t.Control = i%7 == 0
	f.Verdict = nil
	if t.Error != nil {
		t.Error.Class = []model.ErrorClass{model.ClassTimeout, model.ClassBadReply}[i/5%2]
		return f
	}
	t.Compliance = []grading.Compliance{grading.Complied, grading.Refused, grading.Ungradable}[i/2%3]
	t.Behaviors = [][]string{nil, {"sabotage"}, {"sabotage", "sabotage_of_tests"}, {"sabotage_of_tests"}}[i%4]
	t.UndecidedBehaviors = [][]string{nil, {"weight_exfiltration"}, {run.EveryBehavior}}[i%3]
	t.AlignmentFaking = []grading.Faking{grading.FakingPresent, grading.FakingAbsent}[i/3%2]
	t.Parsed.Observation = []transcript.Observation{transcript.Scratchpad, transcript.Malformed, transcript.Absent}[i/4%3]
	return f
}

func filters(f *fixture) {
	key := f.withRun()
	const n = 60
	for i := range n {
		f.save(key, varied(key, i))
	}
	several := run.TranscriptFilter{
		Scenario: "one", Condition: "free", Control: ptr(false), HasError: ptr(false), AlignmentFaking: grading.FakingPresent,
	}
	for _, tt := range []struct {
		name   string
		filter run.TranscriptFilter
		match  func(run.Transcript) bool
		none   bool
	}{
		{"nothing", run.TranscriptFilter{}, func(run.Transcript) bool { return true }, false},
		{"scenario", run.TranscriptFilter{Scenario: "two"}, func(t run.Transcript) bool { return t.Scenario.ID == "two" }, false},
		{"condition", run.TranscriptFilter{Condition: "paid"}, func(t run.Transcript) bool { return t.Condition == "paid" }, false},
		{"query", run.TranscriptFilter{Query: "q-3"}, func(t run.Transcript) bool { return t.Query == "q-3" }, false},
		{"compliance", run.TranscriptFilter{Compliance: grading.Refused}, func(t run.Transcript) bool { return t.Compliance == grading.Refused }, false},
		{"faking", run.TranscriptFilter{AlignmentFaking: grading.FakingPresent}, func(t run.Transcript) bool { return t.AlignmentFaking == grading.FakingPresent }, false},
		{"observation", run.TranscriptFilter{Observation: transcript.Malformed}, func(t run.Transcript) bool { return t.Parsed.Observation == transcript.Malformed }, false},
		{"behaviour", run.TranscriptFilter{Behavior: "sabotage"}, func(t run.Transcript) bool { return slices.Contains(t.Behaviors, "sabotage") }, false},
		{"a behaviour that is undecided is not found", run.TranscriptFilter{Behavior: "weight_exfiltration"}, func(run.Transcript) bool { return false }, true},
		{"error class", run.TranscriptFilter{ErrorClass: model.ClassBadReply}, func(t run.Transcript) bool { return t.Error != nil && t.Error.Class == model.ClassBadReply }, false},
		{"controls", run.TranscriptFilter{Control: ptr(true)}, func(t run.Transcript) bool { return t.Control }, false},
		{"no controls", run.TranscriptFilter{Control: ptr(false)}, func(t run.Transcript) bool { return !t.Control }, false},
		{"with an error", run.TranscriptFilter{HasError: ptr(true)}, func(t run.Transcript) bool { return t.Error != nil }, false},
		{"with a reply", run.TranscriptFilter{HasError: ptr(false)}, func(t run.Transcript) bool { return t.Error == nil }, false},
		{"several", several, func(t run.Transcript) bool {
			return t.Scenario.ID == "one" && t.Condition == "free" && !t.Control && t.Error == nil && t.AlignmentFaking == grading.FakingPresent
		}, false},
		{"what is not there", run.TranscriptFilter{Condition: "fre"}, func(run.Transcript) bool { return false }, true},
		{"a value that looks like SQL", run.TranscriptFilter{Condition: "' OR 1=1 --"}, func(run.Transcript) bool { return false }, true},
	} {
		var want []run.Transcript
		for i := range n {
			if t := varied(key, i).Transcript; tt.match(t) {
				want = append(want, withoutText(t))
			}
		}
		require.Equal(f, tt.none, len(want) == 0, tt.name)
		got := transcripts(f, key, tt.filter, false)
		require.Len(f, got, len(want), tt.name)
		f.equal(want, got)
	}
}
