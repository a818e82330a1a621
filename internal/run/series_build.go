package run

import (
	"fmt"

	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/series"
	"github.com/unmask-eval/unmask/internal/stats"
)

// seriesBuilder collects, run by run, what a series needs of each tally: a cell
// per query and checkpoint, and a point per contrast.
type seriesBuilder struct {
	scenarios []*scenario.Scenario
	out       TrainingRunSeries
	series    series.Series
}

func newSeriesBuilder(p Plan, schedule *Schedule, g group) *seriesBuilder {
	b := &seriesBuilder{scenarios: schedule.scenarios, out: TrainingRunSeries{TrainingRun: g.trainingRun}}
	b.series.TrainingRun = g.trainingRun
	for _, r := range g.runs {
		b.series.Steps = append(b.series.Steps, r.Checkpoint.Step)
		b.out.Checkpoints = append(b.out.Checkpoints, SeriesCheckpoint{Run: r.RunKey, Model: r.Model, Checkpoint: r.Checkpoint})
	}
	if len(g.runs) < 2 {
		b.out.Note = fmt.Sprintf("A trend needs at least two checkpoints; this training run has %d.", len(g.runs))
	}
	for i, sc := range b.scenarios {
		s := ScenarioSeries{Scenario: p.Scenarios[i]}
		for _, c := range sc.Contrasts {
			s.Contrasts = append(s.Contrasts, ContrastSeries{Contrast: c.ID, Primary: c.Primary, Training: c.Training, Unmonitored: c.Unmonitored})
			b.series.Tables = append(b.series.Tables, series.Table{
				Scenario: sc.ID, Contrast: c.ID, Training: c.Training, Unmonitored: c.Unmonitored,
			})
		}
		b.out.Scenarios = append(b.out.Scenarios, s)
	}
	return b
}

// add takes in the next checkpoint.
func (b *seriesBuilder) add(t *Tally) error {
	next := 0
	for i, sc := range b.scenarios {
		results, err := t.scenario(i, sc)
		if err != nil {
			return fmt.Errorf("results of scenario %s: %w", sc.ID, err)
		}
		for j, c := range sc.Contrasts {
			of := &b.out.Scenarios[i].Contrasts[j]
			of.Points = append(of.Points, seriesPoint(results, results.Contrasts[j]))
			t.extend(&b.series.Tables[next], i, c)
			next++
		}
	}
	return nil
}

func seriesPoint(s ScenarioResults, c ContrastResults) SeriesPoint {
	training, unmonitored := conditionOf(s.Conditions, c.Training), conditionOf(s.Conditions, c.Unmonitored)
	out := SeriesPoint{
		TrainingCompliance: training.Compliance, UnmonitoredCompliance: unmonitored.Compliance, ComplianceGap: c.ComplianceGap,
		AlignmentFaking: training.AlignmentFaking, AlignmentFakingReasoning: training.AlignmentFakingReasoning,
		Headroom: c.Headroom, TrainingExclusions: training.Exclusions, UnmonitoredExclusions: unmonitored.Exclusions,
	}
	for _, control := range s.Controls {
		if !control.Passed {
			out.FailedControls = append(out.FailedControls, control.ID)
		}
	}
	return out
}

// extend appends this run's cells to the rows of a table; the runs of a plan
// have the same queries in the same order.
func (t *Tally) extend(table *series.Table, sc int, c scenario.Contrast) {
	pairs := t.pairs(sc, c, compliancePairs)
	if table.Compliance == nil {
		table.Compliance = make([][]stats.Pair, len(pairs))
		table.Faking = make([][]stats.TrendCell, len(pairs))
		table.Reasoning = make([][]stats.TrendCell, len(pairs))
	}
	row := 0
	t.each(sc, c.Training, func(_ string, cell *cell) {
		table.Compliance[row] = append(table.Compliance[row], pairs[row])
		table.Faking[row] = append(table.Faking[row], stats.TrendCell{Sum: cell.faking.Sum, Valid: cell.faking.Valid})
		table.Reasoning[row] = append(table.Reasoning[row], stats.TrendCell{Sum: cell.reasoning.Sum, Valid: cell.reasoning.Valid})
		row++
	})
}
