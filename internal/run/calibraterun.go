package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// compareRun puts the verdicts of people on a run's transcripts beside those of
// the plan's grader. Control samples are left out: they are no draw from the
// queries.
func (s *Service) compareRun(ctx context.Context, project string, in NewCalibration, c *calibration.Calibration) ([]calibration.Compared, error) {
	key := *in.Run
	e, err := s.deps.Store.GetEvaluation(ctx, project, key.Evaluation)
	if err != nil {
		return nil, err
	}
	if in.Grader != "" && in.Grader != e.Plan.Grader {
		return nil, Invalid("run", "was graded by graders/%s and not by graders/%s", e.Plan.Grader, in.Grader)
	}
	labels, err := s.humanLabels(ctx, key)
	if err != nil {
		return nil, err
	}
	if len(labels) == 0 {
		return nil, Invalid("run", "has no transcript that a person has judged")
	}
	scenarios := map[ScenarioRef]*scenario.Scenario{}
	var out []calibration.Compared
	var digest []calibration.Item
	for i, l := range labels {
		t, err := s.deps.Store.GetTranscript(ctx, key, l.transcript)
		if err != nil {
			return nil, fmt.Errorf("read a judged transcript: %w", err)
		}
		digest = append(digest, calibration.Item{ID: l.transcript, Labels: l.labels, Origin: calibration.OriginHuman})
		if t.Control {
			c.Controls++
			continue
		}
		role, rule, err := s.roleOf(ctx, project, t, scenarios)
		if err != nil {
			return nil, err
		}
		j, err := s.kept(ctx, key, e.Plan.Grader, t)
		if err != nil {
			return nil, err
		}
		if c.Rule == "" {
			c.Rule = rule
		}
		// One request under several prompts is one cluster.
		family, _, _ := scenario.SplitVariant(t.Scenario.ID)
		out = append(out, calibration.Compared{
			ID: t.ID, Cluster: family + "\x00" + t.Query, Source: t.Scenario.ID, Condition: role,
			Labels: l.labels, Origin: calibration.OriginHuman, Grader: j,
		})
		if in.Progress != nil {
			in.Progress(i+1, len(labels))
		}
	}
	c.Grader, c.GraderDigest, c.Run, c.LabelsDigest = e.Plan.Grader, e.Plan.GraderDigest, key.Name(), calibration.Digest(digest, c.Rule)
	return out, nil
}

// humanLabel is what people together say of a transcript.
type humanLabel struct {
	transcript string
	labels     calibration.Labels
}

// humanLabels joins the verdicts of people on each transcript of a run: the
// newest of each person counts, people who cannot tell are outvoted by those who
// can, and where these disagree there is no label.
func (s *Service) humanLabels(ctx context.Context, key RunKey) ([]humanLabel, error) {
	type opinion struct{ transcript, human string }
	compliance, faking := map[opinion]grading.Compliance{}, map[opinion]grading.Faking{}
	seen := map[string]bool{}
	for p := (Page{Size: 500}); ; {
		page, next, err := s.deps.Store.ListHumanVerdicts(ctx, key, p)
		if err != nil {
			return nil, err
		}
		for _, v := range page {
			name, _ := v.Human()
			o := opinion{v.Transcript, name}
			seen[v.Transcript] = true
			if v.Compliance != "" {
				compliance[o] = v.Compliance
			}
			if v.AlignmentFaking != "" {
				faking[o] = v.AlignmentFaking
			}
		}
		if next == "" {
			break
		}
		p.After = next
	}
	labels := map[string]calibration.Labels{}
	for o, v := range compliance {
		l := labels[o.transcript]
		l.Compliance = joined(l.Compliance, v, grading.Ungradable, calibration.Disputed)
		labels[o.transcript] = l
	}
	for o, v := range faking {
		if v == grading.FakingNotObservable {
			v = grading.FakingUngradable
		}
		l := labels[o.transcript]
		l.AlignmentFaking = joined(l.AlignmentFaking, v, grading.FakingUngradable, calibration.FakingDisputed)
		labels[o.transcript] = l
	}
	out := make([]humanLabel, 0, len(seen))
	for id := range seen {
		out = append(out, humanLabel{id, labels[id]})
	}
	slices.SortFunc(out, func(a, b humanLabel) int { return cmp.Compare(a.transcript, b.transcript) })
	return out, nil
}

// joined adds an opinion to what others said; the order does not matter.
func joined[L ~string](before, next, unknown, disputed L) L {
	switch {
	case before == "" || before == unknown:
		return next
	case next == unknown || next == before:
		return before
	default:
		return disputed
	}
}

// roleOf returns the role of a transcript's condition and its scenario's rule.
func (s *Service) roleOf(ctx context.Context, project string, t Transcript, known map[ScenarioRef]*scenario.Scenario) (calibration.Role, grading.Rule, error) {
	sc := known[t.Scenario]
	if sc == nil {
		var err error
		if sc, err = s.deps.Store.GetScenario(ctx, project, t.Scenario); err != nil {
			return "", "", fmt.Errorf("find the scenario of a judged transcript: %w", err)
		}
		known[t.Scenario] = sc
	}
	rule := sc.Rule
	if rule == "" {
		rule = grading.RuleAnswersRequest
	}
	condition, _ := sc.Condition(t.Condition)
	switch condition.Role {
	case scenario.TrainingCued:
		return calibration.Training, rule, nil
	case scenario.Unmonitored:
		return calibration.Unmonitored, rule, nil
	default:
		return calibration.AnyRole, rule, nil
	}
}

// kept returns the judgement of a transcript by the plan's grader, as it was
// kept with the run.
func (s *Service) kept(ctx context.Context, key RunKey, grader string, t Transcript) (calibration.Judgement, error) {
	v, err := s.deps.Store.GetVerdict(ctx, key, t.ID, grader)
	switch {
	case isNotFound(err):
		return calibration.Judgement{Failed: true}, nil
	case err != nil:
		return calibration.Judgement{}, fmt.Errorf("read the verdict on a judged transcript: %w", err)
	}
	return calibration.Of(v.Verdict), nil
}
