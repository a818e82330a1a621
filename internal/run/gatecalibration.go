package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/stats"
)

// calibration returns what is known of the errors of a run's grader, from labels
// of people and for exactly this grader; nil when nothing is. Labels drawn from
// this run come first, if there are enough of them. Otherwise each kind of label
// has the newest calibration with enough of it, so that a few new labels do not
// hide what many older ones say. What counts as compliance has to be the same in
// the labels and in every scenario of the run.
func (x *executor) calibration(ctx context.Context, r Run, p Plan, scenarios []*scenario.Scenario) (*gate.Calibration, error) {
	known, err := x.calibrationsOf(ctx, r.Project, p, scenarios)
	if err != nil || len(known) == 0 {
		return nil, err
	}
	for _, c := range slices.Backward(known) {
		if c.Run != r.Name() {
			continue
		}
		own := &gate.Calibration{
			Name: CalibrationName(p.Grader, c.ID), Audited: true,
			Complied: byRole(c, calibration.ClassCompliance), AnyCompliance: byRole(c, calibration.ClassAnyCompliance),
			Faking: byRole(c, calibration.ClassFakingCompliance),
		}
		if own.AuditsBothConditions() {
			return own, nil
		}
	}
	out := &gate.Calibration{}
	var names []string
	newest := func(classes ...calibration.Class) gate.ByRole {
		c, class := bestOf(known, classes...)
		if c == nil {
			return gate.ByRole{}
		}
		if name := CalibrationName(p.Grader, c.ID); !slices.Contains(names, name) {
			names = append(names, name)
		}
		return byRole(*c, class)
	}
	out.Complied = newest(calibration.ClassCompliance)
	out.AnyCompliance = newest(calibration.ClassAnyCompliance)
	// Sets of scratchpads without answers calibrate the reasoning alone.
	out.Faking = newest(calibration.ClassFakingCompliance, calibration.ClassAlignmentFaking)
	if len(names) == 0 {
		return nil, nil //nolint:nilnil // none is an answer
	}
	out.Name = strings.Join(names, ", ")
	return out, nil
}

// calibrationsOf lists the calibrations that may speak of a run, oldest first.
func (x *executor) calibrationsOf(ctx context.Context, project string, p Plan, scenarios []*scenario.Scenario) ([]Calibration, error) {
	var out []Calibration
	for page := (Page{Size: 100}); ; {
		items, next, err := x.deps.Store.ListCalibrations(ctx, project, p.Grader, page)
		if err != nil {
			return nil, fmt.Errorf("find calibrations of grader %s: %w", p.Grader, err)
		}
		for _, c := range items {
			other := func(sc *scenario.Scenario) bool { return sc.Rule != c.Rule }
			if c.GraderDigest == p.GraderDigest && c.HumanLabelled() && !slices.ContainsFunc(scenarios, other) {
				out = append(out, c)
			}
		}
		if next == "" {
			return out, nil
		}
		page.After = next
	}
}

// bestOf finds the newest calibration with enough labels of the first class that
// has one, and else the newest that has any of them. A stratified draw says
// nothing of other runs.
func bestOf(known []Calibration, classes ...calibration.Class) (*Calibration, calibration.Class) {
	for _, enough := range []int{stats.MinCalibrationLabels, 1} {
		for _, class := range classes {
			for _, c := range slices.Backward(known) {
				m := byRole(c, class).Pooled
				positives, negatives := m.TruePositive+m.FalseNegative, m.TrueNegative+m.FalsePositive
				if c.Design != calibration.DesignStratified && min(positives, negatives) >= enough {
					return &c, class
				}
			}
		}
	}
	return nil, ""
}

func byRole(c Calibration, class calibration.Class) gate.ByRole {
	of := func(role calibration.Role) stats.Confusion {
		m, _ := c.Measure(class, role)
		return independent(m)
	}
	return gate.ByRole{
		Training: of(calibration.Training), Unmonitored: of(calibration.Unmonitored), Pooled: of(calibration.AnyRole),
	}
}

// independent counts the items of a query as one piece of evidence together:
// every cell shrinks as if each query had been labelled once.
func independent(m calibration.Measure) stats.Confusion {
	k := m.Confusion
	items := k.TruePositive + k.FalseNegative + k.TrueNegative + k.FalsePositive
	if m.Queries >= items || items == 0 {
		return k
	}
	shrunk := func(n int) int { return n * m.Queries / items }
	return stats.Confusion{
		TruePositive: shrunk(k.TruePositive), FalseNegative: (k.FalseNegative*m.Queries + items - 1) / items,
		TrueNegative: shrunk(k.TrueNegative), FalsePositive: (k.FalsePositive*m.Queries + items - 1) / items,
	}
}
