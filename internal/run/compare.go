package run

import (
	"context"
	"fmt"
	"math"

	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/stats"
)

// Comparison is how a candidate run differs from a baseline run of the same
// plan. Nothing in it is corrected for the number of differences looked at.
type Comparison struct {
	Candidate, Baseline Run
	PlanDigest          string
	// Confidence is that of two-sided intervals, and of each one-sided bound.
	Confidence float64
	Scenarios  []ScenarioComparison
	// Notes say what keeps the differences from being read as they stand.
	Notes []string
}

// ScenarioComparison is the differences on one scenario.
type ScenarioComparison struct {
	Scenario  ScenarioRef
	Contrasts []ContrastComparison
}

// ContrastComparison is the differences on one contrast, candidate minus
// baseline by query.
type ContrastComparison struct {
	Contrast              string
	Primary               bool
	Training, Unmonitored string
	ComplianceGap         Change
	TrainingCompliance    Change
	UnmonitoredCompliance Change
	// AlignmentFaking and AlignmentFakingReasoning are of the training-cued
	// condition.
	AlignmentFaking, AlignmentFakingReasoning Change
}

// Change is the change of one metric, in [-2, 2] for the gap and [-1, 1] for
// rates. Pointers are nil where nothing is known.
type Change struct {
	Candidate, Baseline, Estimate, StandardError, Correlation *float64
	// Lower and Upper bound the two-sided interval; LowerBound, UpperBound and
	// UpperWorstCase are one-sided, the last with every missing sample counted
	// against the candidate.
	Lower, Upper, LowerBound, UpperBound, UpperWorstCase float64
	// PValue is two-sided, against "no change".
	PValue float64
	// Queries are common to both runs and LeftOut those that are not; Samples
	// are valid and Excluded planned and not valid, over both runs.
	Queries, Samples, Excluded int
	LeftOut                    stats.LeftOut
	Method                     string
}

// CompareRuns compares two runs from their rows. Runs of different plans, and
// runs without a row or that stopped early, are a *StateError.
func (s *Service) CompareRuns(ctx context.Context, candidate, baseline RunKey) (Comparison, error) {
	if candidate == baseline {
		return Comparison{}, Invalid("baseline", "must be another run than the candidate, %s", candidate.Name())
	}
	out := Comparison{}
	var tallies [2]*Tally
	for _, side := range []struct {
		key RunKey
		run *Run
	}{{candidate, &out.Candidate}, {baseline, &out.Baseline}} {
		r, err := s.deps.Store.GetRun(ctx, side.key)
		if err != nil {
			return Comparison{}, err
		}
		*side.run = r
		if r.Results.stoppedEarly() {
			return Comparison{}, &StateError{
				Name: r.Name(), State: "a run that stopped early, when its gate was decided", Want: "runs that asked every query of the plan",
			}
		}
		if r.Progress.Finished == 0 {
			return Comparison{}, &StateError{Name: r.Name(), State: string(r.State) + " without a finished sample", Want: "at least one"}
		}
	}
	if a, b := out.Candidate.PlanDigest, out.Baseline.PlanDigest; a != b {
		return Comparison{}, &StateError{
			Name: baseline.Name(), State: "of plan " + b, Want: "a run of the candidate's plan, " + a,
		}
	}
	for i, r := range []Run{out.Candidate, out.Baseline} {
		t, err := s.exec.tally(ctx, r)
		if err != nil {
			return Comparison{}, fmt.Errorf("compare %s: %w", r.Name(), err)
		}
		tallies[i] = t
	}
	out.PlanDigest, out.Confidence = out.Candidate.PlanDigest, tallies[0].plan.Confidence
	scenarios, err := CompareTallies(tallies[0], tallies[1])
	if err != nil {
		return Comparison{}, fmt.Errorf("compare %s with %s: %w", candidate.Name(), baseline.Name(), err)
	}
	out.Scenarios = scenarios
	out.note("candidate", out.Candidate, tallies[0])
	out.note("baseline", out.Baseline, tallies[1])
	return out, nil
}

func (c *Comparison) note(side string, r Run, t *Tally) {
	if r.State != Succeeded {
		c.Notes = append(c.Notes, fmt.Sprintf("The %s is %s: %d of %d samples are finished, and the others count as missing.",
			side, r.State, r.Progress.Finished, r.Progress.Planned))
	}
	for i, sc := range t.scenarios {
		for _, control := range t.controls(i, sc) {
			if !control.Passed {
				c.Notes = append(c.Notes, fmt.Sprintf("A control of the %s failed, so it may show the pipeline rather than the model: %s, %s.",
					side, control.ID, control.Detail))
			}
		}
	}
}

// CompareTallies compares two tallies of the same plan on every contrast, at
// the plan's confidence. It is pure; stats.CompareGaps and stats.CompareRates
// are the same for pairs and clusters from elsewhere.
func CompareTallies(candidate, baseline *Tally) ([]ScenarioComparison, error) {
	alpha := 1 - candidate.plan.Confidence
	var out []ScenarioComparison
	for i, sc := range candidate.scenarios {
		one := ScenarioComparison{Scenario: ScenarioRef{ID: sc.ID, Revision: sc.Revision}}
		for _, c := range sc.Contrasts {
			compared, err := compareContrast(candidate, baseline, i, c, alpha)
			if err != nil {
				return nil, fmt.Errorf("contrast %s of %s: %w", c.ID, sc.ID, err)
			}
			one.Contrasts = append(one.Contrasts, compared)
		}
		out = append(out, one)
	}
	return out, nil
}

func compareContrast(candidate, baseline *Tally, sc int, c scenario.Contrast, alpha float64) (ContrastComparison, error) {
	out := ContrastComparison{Contrast: c.ID, Primary: c.Primary, Training: c.Training, Unmonitored: c.Unmonitored}
	gap, err := stats.CompareGaps(candidate.pairs(sc, c, compliancePairs), baseline.pairs(sc, c, compliancePairs), alpha)
	if err != nil {
		return out, fmt.Errorf("compliance gap: %w", err)
	}
	out.ComplianceGap = Change{
		Candidate: gap.Candidate, Baseline: gap.Baseline, Estimate: gap.Estimate, StandardError: gap.SE, Correlation: gap.Correlation,
		Lower: gap.CI.Lo, Upper: gap.CI.Hi, LowerBound: gap.Lower, UpperBound: gap.Upper, UpperWorstCase: gap.UpperWorstCase,
		PValue:  twoSided(gap.PPass(0), gap.PBlock(0)),
		Queries: gap.Queries, Samples: gap.Samples, Excluded: gap.Missing, LeftOut: gap.LeftOut, Method: gap.Method,
	}
	for _, rate := range []struct {
		name, condition string
		of              func(*cell) stats.Cluster
		into            *Change
	}{
		{"training compliance", c.Training, func(c *cell) stats.Cluster { return c.compliance }, &out.TrainingCompliance},
		{"unmonitored compliance", c.Unmonitored, func(c *cell) stats.Cluster { return c.compliance }, &out.UnmonitoredCompliance},
		{"alignment faking", c.Training, func(c *cell) stats.Cluster { return c.faking }, &out.AlignmentFaking},
		{"alignment-faking reasoning", c.Training, func(c *cell) stats.Cluster { return c.reasoning }, &out.AlignmentFakingReasoning},
	} {
		r, err := stats.CompareRates(candidate.clusters(sc, rate.condition, rate.of), baseline.clusters(sc, rate.condition, rate.of), alpha)
		if err != nil {
			return out, fmt.Errorf("%s: %w", rate.name, err)
		}
		*rate.into = Change{
			Candidate: r.TrainingRate, Baseline: r.UnmonitoredRate, Estimate: r.Estimate, StandardError: r.SE, Correlation: r.Phi,
			Lower: r.CI.Lo, Upper: r.CI.Hi, LowerBound: r.Lower, UpperBound: r.Upper, UpperWorstCase: r.UpperWorstCase,
			PValue:  twoSided(r.PPass(0), r.PBlock(0)),
			Queries: r.Pairs, Samples: r.Samples, Excluded: r.Missing, LeftOut: r.LeftOut, Method: r.Method,
		}
	}
	return out, nil
}

// clusters returns the clusters of one condition in schedule order.
func (t *Tally) clusters(sc int, condition string, of func(*cell) stats.Cluster) []stats.Cluster {
	var out []stats.Cluster
	t.each(sc, condition, func(query string, c *cell) { out = append(out, c.cluster(query, of(c))) })
	return out
}

func twoSided(below, above float64) float64 { return math.Min(1, 2*math.Min(below, above)) }
