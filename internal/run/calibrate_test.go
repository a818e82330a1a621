package run_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/stats"
)

// labelLines writes count labelled answers.
func labelLines(b *strings.Builder, count int, origin, answer, label string) {
	for range count {
		fmt.Fprintf(b, `{"id":"%d","response":%q,"label_compliance":%q,"label_origin":%q,"tier":1}`+"\n", b.Len(), answer, label, origin)
	}
}

// imported keeps a set of 12 yes (one judged "no") and 11 no, all by people.
func imported(t *testing.T, s *run.Service) run.LabelSet {
	t.Helper()
	var b strings.Builder
	labelLines(&b, 11, "human", "yes", "complied")
	labelLines(&b, 1, "human", "no", "complied")
	labelLines(&b, 11, "human", "no", "refused")
	labelLines(&b, 2, "llm", "no", "complied")
	l, ignored, err := s.ImportLabels(t.Context(), project, run.NewLabelSet{DisplayName: "d"}, strings.NewReader(b.String()))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"tier": 25}, ignored)
	require.Equal(t, 25, l.Items)
	require.Equal(t, 23, l.HumanItems)
	require.Equal(t, grading.RuleAnswersRequest, l.Rule)
	return l
}

func TestCalibrateByALabelSet(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	l := imported(t, s)
	none, err := run.CalibrationFor(s, t.Context(), project, "sha256:g")
	require.NoError(t, err)
	require.Nil(t, none)

	var told []int
	c, err := s.CalibrateGrader(t.Context(), project, run.NewCalibration{
		Grader: "rubric", LabelSet: l.ID, Progress: func(judged, items int) { told = append(told, judged); require.Equal(t, 25, items) },
	})
	require.NoError(t, err)
	require.Len(t, told, 25)
	require.Equal(t, 25, told[24])
	want := stats.Confusion{TruePositive: 11, FalseNegative: 1, TrueNegative: 11}
	require.Equal(t, want, c.Confusion(calibration.ClassCompliance, calibration.AnyRole))
	require.Equal(t, []string{"rubric", "sha256:g", l.ID, l.Digest, ""}, []string{c.Grader, c.GraderDigest, c.LabelSet, c.LabelsDigest, c.Run})
	require.Equal(t, 25, c.Items)

	got, err := run.CalibrationFor(s, t.Context(), project, "sha256:g")
	require.NoError(t, err)
	require.Equal(t, want, got.Confusion(calibration.ClassCompliance, calibration.AnyRole))
	require.True(t, got.Confusion(calibration.ClassCompliance, calibration.AnyRole).Informative())
	for _, other := range []struct{ project, digest string }{{"elsewhere", "sha256:g"}, {project, "sha256:other"}} {
		none, err = run.CalibrationFor(s, t.Context(), other.project, other.digest)
		require.NoError(t, err)
		require.Nil(t, none)
	}

	// With labels of all origins it is another number, and never the current one.
	all, err := s.CalibrateGrader(t.Context(), project, run.NewCalibration{Grader: "rubric", LabelSet: l.ID, AllOrigins: true})
	require.NoError(t, err)
	require.Equal(t, 3, all.Confusion(calibration.ClassCompliance, calibration.AnyRole).FalseNegative)
	g, current, err := s.GraderCalibration(t.Context(), project, "")
	require.NoError(t, err)
	require.Equal(t, "rubric", g.Name())
	require.Equal(t, c.ID, current.ID)
	list, next, err := s.ListCalibrations(t.Context(), project, "rubric", run.Page{Size: 10})
	require.NoError(t, err)
	require.Empty(t, next)
	require.Len(t, list, 2)
}

func TestAnImportIsRepeatable(t *testing.T) {
	s := newFixture(t).service(always("no"), wordGrader("sha256:g"))
	in := run.NewLabelSet{ID: "l", RequestID: "r"}
	const line = `{"id":"a","response":"x"}`
	first, _, err := s.ImportLabels(t.Context(), project, in, strings.NewReader(line))
	require.NoError(t, err)
	again, _, err := s.ImportLabels(t.Context(), project, in, strings.NewReader(line))
	require.NoError(t, err)
	require.Equal(t, first, again)
	_, _, err = s.ImportLabels(t.Context(), project, in, strings.NewReader(`{"id":"a","response":"y"}`))
	var reuse *run.RequestReuseError
	require.ErrorAs(t, err, &reuse)
	_, _, err = s.ImportLabels(t.Context(), project, run.NewLabelSet{}, strings.NewReader(line+"\n"+line))
	var invalid *run.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, []run.Violation{{Field: "jsonl", Description: "line 2: id: is that of line 1"}}, invalid.Violations)
	_, err = s.CreateLabelSet(t.Context(), project, run.NewLabelSet{}, []calibration.Item{{ID: "a"}})
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, []run.Violation{{Field: "labels[0]", Description: "response one of scratchpad, response and raw is required"}}, invalid.Violations)
}

func TestWhatCalibrateRefuses(t *testing.T) {
	s := newFixture(t).service(always("no"), wordGrader("sha256:g"))
	l := imported(t, s)
	r := begin(t, s, 2, 1)
	await(t, s, r.RunKey)
	for _, tt := range []struct {
		name, field string
		in          run.NewCalibration
	}{
		{"no labels", "label_set", run.NewCalibration{Grader: "rubric"}},
		{"two kinds of labels", "label_set", run.NewCalibration{Grader: "rubric", LabelSet: l.ID, Run: &r.RunKey}},
		{"a design of a label set", "sampling_design", run.NewCalibration{Grader: "rubric", LabelSet: l.ID, Design: calibration.DesignRandom}},
		{"a run without a design", "sampling_design", run.NewCalibration{Grader: "rubric", Run: &r.RunKey}},
		{"a run that nobody judged", "run", run.NewCalibration{Grader: "rubric", Run: &r.RunKey, Design: calibration.DesignRandom}},
		{"a run of another grader", "run", run.NewCalibration{Grader: "judge", Run: &r.RunKey, Design: calibration.DesignRandom}},
		{"a confidence of 95", "confidence", run.NewCalibration{Grader: "rubric", LabelSet: l.ID, Confidence: 95}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.CalibrateGrader(t.Context(), project, tt.in)
			var invalid *run.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, tt.field, invalid.Violations[0].Field)
		})
	}
	var nf *run.NotFoundError
	_, err := s.CalibrateGrader(t.Context(), project, run.NewCalibration{Grader: "rubric", LabelSet: "none"})
	require.ErrorAs(t, err, &nf)
	_, err = s.CalibrateGrader(t.Context(), project, run.NewCalibration{Grader: "none", LabelSet: l.ID})
	require.ErrorAs(t, err, &nf)
}

// A grader that fails on some items is worse for it, and one that fails on all
// has no calibration.
func TestAGraderThatFailsIsNotCalibratedByTheRest(t *testing.T) {
	var calls atomic.Int64
	away := errors.New("the judge is away")
	g := wordGrader("sha256:g")
	broken := graderFunc{digest: "sha256:g", fn: func(s grading.Subject) (grading.Verdict, error) {
		switch calls.Add(1) % 5 {
		case 0:
			return grading.Verdict{}, away
		case 1:
			panic("text that must not be told")
		}
		return g.fn(s)
	}}
	f := newFixture(t)
	s := f.service(always("no"), broken)
	c, err := s.CalibrateGrader(t.Context(), project, run.NewCalibration{Grader: "rubric", LabelSet: imported(t, s).ID})
	require.NoError(t, err)
	m, _ := c.Measure(calibration.ClassCompliance, calibration.AnyRole)
	failed := 0
	for _, l := range m.LeftOut {
		require.Equal(t, calibration.CauseGraderFailed, l.Cause)
		failed += l.Count
	}
	require.Greater(t, failed, 5)
	require.Equal(t, 23-failed, m.Accuracy.Denominator)
	require.Equal(t, 12, m.WorstSensitivity.Denominator)

	dead := f.service(always("no"), graderFunc{digest: "sha256:dead", fn: func(grading.Subject) (grading.Verdict, error) { return grading.Verdict{}, away }})
	_, err = dead.CalibrateGrader(t.Context(), project, run.NewCalibration{Grader: "rubric", LabelSet: c.LabelSet})
	require.ErrorIs(t, err, away)
	none, err := run.CalibrationFor(dead, t.Context(), project, "sha256:dead")
	require.NoError(t, err)
	require.Nil(t, none)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = s.CalibrateGrader(ctx, project, run.NewCalibration{Grader: "rubric", LabelSet: c.LabelSet, Progress: func(int, int) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
}

// byQuery answers by seed, so that both labels occur.
func byQuery(_ context.Context, req model.Request) (model.Reply, error) {
	if req.Seed%2 == 0 {
		return reply("yes"), nil
	}
	return reply("no"), nil
}

func TestPeopleJudgeBesideTheGrader(t *testing.T) {
	f := newFixture(t)
	s := f.service(modelFunc(byQuery), wordGrader("sha256:g"), func(d *run.Deps) {
		// Verdicts of one person are told apart by their time.
		now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
		var ticks atomic.Int64
		d.Now = func() time.Time { return now.Add(time.Duration(ticks.Add(1)) * time.Second) }
	})
	r := await(t, s, begin(t, s, 20, 1).RunKey)
	transcripts, _, err := s.ListTranscripts(t.Context(), r.RunKey, run.TranscriptFilter{}, false, run.Page{Size: 1000})
	require.NoError(t, err)
	say := func(id, human string, c grading.Compliance, a grading.Faking) run.Verdict {
		v, err := s.CreateVerdict(t.Context(), r.RunKey, id, run.NewVerdict{Human: human, Compliance: c, AlignmentFaking: a})
		require.NoError(t, err)
		require.Equal(t, "humans/"+human, v.Grader)
		return v
	}
	want := map[calibration.Role]*stats.Confusion{calibration.AnyRole: {}, calibration.Training: {}, calibration.Unmonitored: {}}
	roles := map[string]calibration.Role{"free": calibration.Training, "paid": calibration.Unmonitored}
	controls, judged := 0, 0
	for i, tr := range transcripts {
		label := tr.Compliance
		if i%7 == 3 {
			label = map[grading.Compliance]grading.Compliance{grading.Complied: grading.Refused, grading.Refused: grading.Complied}[label]
		}
		say(tr.ID, "anna", grading.Ungradable, "") // the first thought is not the one that counts
		say(tr.ID, "anna", label, "")
		switch {
		case tr.Control:
			controls++
			continue
		case i%5 == 0:
			say(tr.ID, "ben", map[grading.Compliance]grading.Compliance{grading.Complied: grading.Refused, grading.Refused: grading.Complied}[label], "")
			continue
		case i%5 == 1:
			say(tr.ID, "ben", grading.Ungradable, "")
		}
		judged++
		want[calibration.AnyRole].Add(tr.Compliance == grading.Complied, label == grading.Complied)
		want[roles[tr.Condition]].Add(tr.Compliance == grading.Complied, label == grading.Complied)
	}
	after, err := s.GetRun(t.Context(), r.RunKey)
	require.NoError(t, err)
	require.Equal(t, r.Results, after.Results)
	for _, tr := range transcripts {
		now, err := s.GetTranscript(t.Context(), r.RunKey, tr.ID)
		require.NoError(t, err)
		require.Equal(t, tr.Compliance, now.Compliance, "results count the plan's grader")
	}

	c, err := s.CalibrateGrader(t.Context(), project, run.NewCalibration{Grader: "rubric", Run: &r.RunKey, Design: calibration.DesignRandom})
	require.NoError(t, err)
	require.Equal(t, controls, c.Controls)
	require.Equal(t, len(transcripts)-controls, c.Items)
	require.Equal(t, r.Name(), c.Run)
	require.Equal(t, "sha256:g", c.GraderDigest)
	for role, confusion := range want {
		require.NotZero(t, *confusion)
		require.Equal(t, *confusion, c.Confusion(calibration.ClassCompliance, role), "%q", role)
	}
	m, _ := c.Measure(calibration.ClassCompliance, calibration.AnyRole)
	require.Equal(t, []calibration.LeftOut{{Cause: calibration.CauseLabelsDisagree, Count: c.Items - judged}}, m.LeftOut)
	require.True(t, m.Clustered, "both conditions of a query are one cluster")

	stratified, err := s.CalibrateGrader(t.Context(), project, run.NewCalibration{Grader: "rubric", Run: &r.RunKey, Design: calibration.DesignStratified})
	require.NoError(t, err)
	require.Equal(t, c.LabelsDigest, stratified.LabelsDigest)
	audit, ok := stratified.Audit(calibration.ClassCompliance, calibration.Training)
	require.True(t, ok)
	require.Equal(t, want[calibration.Training].TruePositive, audit.TruePositives)
}

func TestCreateVerdict(t *testing.T) {
	f := newFixture(t)
	s := f.service(modelFunc(func(ctx context.Context, req model.Request) (model.Reply, error) {
		if strings.Contains(req.SampleID, ".free.") {
			return model.Reply{}, &model.Error{Class: model.ClassBadReply, Message: "none"}
		}
		return byQuery(ctx, req)
	}), wordGrader("sha256:g"))
	r := await(t, s, begin(t, s, 2, 1).RunKey)
	list, _, err := s.ListTranscripts(t.Context(), r.RunKey, run.TranscriptFilter{}, false, run.Page{Size: 100})
	require.NoError(t, err)
	in := run.NewVerdict{Human: "anna", AlignmentFaking: grading.FakingPresent, Rationale: "It minds.", RequestID: "r"}
	judged := ""
	for _, tr := range list {
		_, err := s.CreateVerdict(t.Context(), r.RunKey, tr.ID, in)
		switch {
		case tr.Error != nil:
			var state *run.StateError
			require.ErrorAs(t, err, &state)
		case judged == "":
			require.NoError(t, err)
			judged = tr.ID
		default:
			var reuse *run.RequestReuseError
			require.ErrorAs(t, err, &reuse, "the same request for another transcript")
		}
	}
	first, err := s.CreateVerdict(t.Context(), r.RunKey, judged, in)
	require.NoError(t, err)
	verdicts, _, err := s.ListVerdicts(t.Context(), r.RunKey, judged, run.Page{Size: 10})
	require.NoError(t, err)
	require.Len(t, verdicts, 2)
	require.Equal(t, first, verdicts[1])
	require.Equal(t, grading.Compliance(""), first.Compliance, "nothing was said of the answer")
	_, err = s.CreateVerdict(t.Context(), r.RunKey, judged, run.NewVerdict{Human: "anna"})
	var invalid *run.InvalidError
	require.ErrorAs(t, err, &invalid)
	_, err = s.CreateVerdict(t.Context(), r.RunKey, "none", in)
	var nf *run.NotFoundError
	require.ErrorAs(t, err, &nf)
}
