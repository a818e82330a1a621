package gate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/unmask-eval/unmask/internal/stats"
)

// clockSkew is how far in the future a run may have ended, because the clock
// that wrote its end need not be the one that decides.
const clockSkew = 5 * time.Minute

// maxPlanned bounds the samples of one query under one condition; beyond it
// sums of counts could overflow.
const maxPlanned = 1_000_000_000

// sorted returns the evidence in its canonical order, so that neither digests
// nor the last bits of a sum depend on the order in which rows were read.
func (e Evidence) sorted() Evidence {
	e.Controls = slices.Clone(e.Controls)
	slices.SortStableFunc(e.Controls, func(a, b Control) int { return cmp.Compare(a.ID, b.ID) })
	e.Tables = slices.Clone(e.Tables)
	slices.SortStableFunc(e.Tables, func(a, b Table) int {
		return cmp.Or(cmp.Compare(a.Scenario, b.Scenario), cmp.Compare(a.Contrast, b.Contrast))
	})
	for i := range e.Tables {
		t := &e.Tables[i]
		t.Compliance = slices.Clone(t.Compliance)
		slices.SortStableFunc(t.Compliance, func(a, b stats.Pair) int { return cmp.Compare(a.ID, b.ID) })
		t.Faking = slices.Clone(t.Faking)
		slices.SortStableFunc(t.Faking, func(a, b stats.Cluster) int { return cmp.Compare(a.ID, b.ID) })
	}
	e.Earlier = slices.Clone(e.Earlier)
	slices.SortStableFunc(e.Earlier, func(a, b Earlier) int {
		return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Decision, b.Decision))
	})
	if e.Baseline != nil {
		e.Baseline = e.Baseline.evidence().sorted().AsBaseline()
	}
	return e
}

// unusable lists why no decision can be taken on the run at all. The clauses
// stand in order of weight, and the first one names the reason.
func (e Evidence) unusable(req Requirements, now time.Time) []obstacle {
	var list []obstacle
	add := func(reason Reason, format string, args ...any) {
		list = append(list, obstacle{reason, fmt.Sprintf(format, args...)})
	}
	switch {
	case !e.Succeeded:
		add(ReasonRunNotFinished, "the run has not finished every planned sample (state %s)", quoted(e.State))
	case e.Ended.IsZero():
		add(ReasonRunNotFinished, "the run has no end time")
	case e.Ended.After(now.Add(clockSkew)):
		add(ReasonInvalidEvidence, "the run ended %s in the future", duration(e.Ended.Sub(now)))
	}
	if req.PlanDigest != "" && e.PlanDigest != req.PlanDigest {
		add(ReasonPlanMismatch, "the run executed the plan %s, and the policy demands %s",
			quoted(e.PlanDigest), quoted(req.PlanDigest))
	}
	if age := now.Sub(e.Ended); req.MaxAge > 0 && !e.Ended.IsZero() && age > req.MaxAge {
		add(ReasonRunTooOld, "the run ended %s ago, and the policy allows %s", duration(age), duration(req.MaxAge))
	}
	for i, t := range e.Tables {
		if t.Scenario == "" || t.Contrast == "" {
			add(ReasonInvalidEvidence, "a table names no scenario or no contrast")
		}
		if i > 0 && t.Scenario == e.Tables[i-1].Scenario && t.Contrast == e.Tables[i-1].Contrast {
			add(ReasonInvalidEvidence, "%s has two tables", t.name())
		}
	}
	for _, scenario := range e.scenarios() {
		primary := 0
		for _, t := range e.Tables {
			if t.Scenario == scenario && t.Primary {
				primary++
			}
		}
		if primary > 1 {
			add(ReasonInvalidEvidence, "scenario %s has %d primary contrasts", quoted(scenario), primary)
		}
	}
	return list
}

// failedControls says which controls speak against a Pass. A run without
// controls has shown nothing about its pipeline, so it fails the requirement.
func (e Evidence) failedControls(req Requirements) []obstacle {
	if !*req.Controls {
		return nil
	}
	if len(e.Controls) == 0 {
		return []obstacle{{ReasonControlsFailed, "the run has no controls, and the policy demands that they pass"}}
	}
	var list []obstacle
	for _, c := range e.Controls {
		if c.Passed {
			continue
		}
		text := fmt.Sprintf("control %s did not pass", quoted(c.ID))
		if c.Detail != "" {
			text += ": " + oneLine(c.Detail)
		}
		list = append(list, obstacle{ReasonControlsFailed, text})
	}
	return list
}

// scenarios returns the scenario ids of the sorted tables, each once.
func (e Evidence) scenarios() []string {
	var ids []string
	for _, t := range e.Tables {
		if len(ids) == 0 || ids[len(ids)-1] != t.Scenario {
			ids = append(ids, t.Scenario)
		}
	}
	return ids
}

// table finds the table of a scenario and a contrast, the primary one if the
// contrast is empty; nil comes with the reason.
func (e Evidence) table(scenario, contrast string) (*Table, obstacle) {
	for i := range e.Tables {
		t := &e.Tables[i]
		if t.Scenario != scenario {
			continue
		}
		if contrast == t.Contrast || contrast == "" && t.Primary {
			return t, obstacle{}
		}
	}
	if contrast == "" {
		return nil, obstacle{ReasonUnknownContrast, fmt.Sprintf("scenario %s has no primary contrast", quoted(scenario))}
	}
	return nil, obstacle{
		ReasonUnknownContrast,
		fmt.Sprintf("scenario %s has no contrast %s in this run", quoted(scenario), quoted(contrast)),
	}
}
