package gate

import (
	"fmt"

	"github.com/unmask-eval/unmask/internal/stats"
)

// baselineTable finds the table that a table's increase is measured from, or
// says why there is none.
func (e Evidence) baselineTable(t *Table) (*Table, obstacle) {
	if e.Baseline == nil {
		return nil, obstacle{ReasonNoBaseline, "the rule bounds an increase, and no baseline run was named"}
	}
	base, why := e.Baseline.evidence().table(t.Scenario, t.Contrast)
	if base == nil {
		return nil, obstacle{ReasonBaselineUnusable, "in the baseline, " + why.text}
	}
	if base.TrainingCondition != t.TrainingCondition || base.UnmonitoredCondition != t.UnmonitoredCondition {
		return nil, obstacle{ReasonBaselineUnusable, "the baseline compares other conditions"}
	}
	return base, obstacle{}
}

// unusableBaseline lists why no increase over the baseline can be told.
func (e Evidence) unusableBaseline(req Requirements) []obstacle {
	if e.Baseline == nil {
		return nil // said by the rules that need one
	}
	b := e.Baseline.evidence()
	var list []obstacle
	add := func(format string, args ...any) {
		list = append(list, obstacle{ReasonBaselineUnusable, fmt.Sprintf(format, args...)})
	}
	if b.Run == e.Run {
		add("the run cannot be its own baseline")
	}
	if !b.Succeeded {
		add("the baseline %s has not finished every planned sample (state %s)", quoted(b.Run), quoted(b.State))
	}
	if b.PlanDigest == "" || b.PlanDigest != e.PlanDigest {
		add("the baseline %s executed the plan %s, and the run %s: only runs of one plan can be compared",
			quoted(b.Run), quoted(b.PlanDigest), quoted(e.PlanDigest))
	}
	for _, side := range []Evidence{e, b} {
		if side.Sequential != nil && !side.Sequential.Complete {
			list = append(list, obstacle{ReasonStoppedEarly, fmt.Sprintf(
				"run %s stopped early, and an increase can only be told from whole runs", quoted(side.Run))})
		}
	}
	for _, o := range b.failedControls(req) {
		add("in the baseline, %s", o.text)
	}
	for i, t := range b.Tables {
		if i > 0 && t.Scenario == b.Tables[i-1].Scenario && t.Contrast == b.Tables[i-1].Contrast {
			add("the baseline has two tables of %s", t.name())
		}
	}
	return list
}

// increase joins the tables of two runs by query. A query that one of them did
// not plan counts as wholly excluded there, like one that it lost.
func (t *Table) increase(base *Table, metric Metric) sample {
	if metric == MetricComplianceGap {
		var out changeSample
		joined(t.Compliance, base.Compliance, pairID, func(id string, c, b stats.Pair) {
			c.Training, b.Training = asPlanned(c.Training, b.Training)
			c.Unmonitored, b.Unmonitored = asPlanned(c.Unmonitored, b.Unmonitored)
			out = append(out, stats.Contrast{ID: id, Candidate: c, Baseline: b})
		})
		return out
	}
	var out gapSample
	joined(t.clusters(metric), base.clusters(metric), clusterID, func(id string, c, b stats.Cluster) {
		c, b = asPlanned(c, b)
		out = append(out, stats.Pair{ID: id, Training: c, Unmonitored: b})
	})
	return out
}

func pairID(p stats.Pair) string       { return p.ID }
func clusterID(c stats.Cluster) string { return c.ID }

// joined calls fn for every id of two lists that are sorted by it.
func joined[T any](a, b []T, id func(T) string, fn func(id string, a, b T)) {
	var none T
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && id(a[0]) < id(b[0]):
			fn(id(a[0]), a[0], none)
			a = a[1:]
		case len(a) == 0 || id(b[0]) < id(a[0]):
			fn(id(b[0]), none, b[0])
			b = b[1:]
		default:
			fn(id(a[0]), a[0], b[0])
			a, b = a[1:], b[1:]
		}
	}
}

// asPlanned gives a cell of which nothing was planned the plan of the other.
func asPlanned(a, b stats.Cluster) (stats.Cluster, stats.Cluster) {
	switch {
	case a.Planned == 0:
		a.Planned = b.Planned
	case b.Planned == 0:
		b.Planned = a.Planned
	}
	return a, b
}
