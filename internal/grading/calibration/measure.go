package calibration

import (
	"cmp"
	"slices"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/stats"
)

// tables are what a measure counts of each group of dependent items.
type tables struct {
	compared, worst []stats.Confusion
	scores          []stats.LabelledScores
}

// measure compares one class in one group. labelled reports whether any item
// has a label for the class.
func measure(class Class, g group, o Options) (m Measure, labelled bool, err error) {
	m = Measure{
		Class: class, Counted: g.counted, Origin: g.origin, Source: g.source, Condition: g.condition, Items: len(g.items),
	}
	causes := map[Cause]int{}
	var t tables
	for start := 0; start < len(g.items); {
		end := start
		for end < len(g.items) && g.items[end].Cluster == g.items[start].Cluster {
			end++
		}
		t.add(class, g.items[start:end], causes)
		start = end
	}
	for cause, n := range causes {
		m.LeftOut = append(m.LeftOut, LeftOut{cause, n})
	}
	slices.SortFunc(m.LeftOut, func(a, b LeftOut) int { return cmp.Compare(a.Cause, b.Cause) })
	for _, c := range t.compared {
		if n := size(c); n > 0 {
			m.Queries++
			m.Clustered = m.Clustered || n > 1
		}
	}
	if class == ClassCompliance {
		m.ThreeWay = threeWay(g.items)
	}
	if err := m.estimate(t, o); err != nil {
		return Measure{}, false, err
	}
	return m, causes[CauseNoLabel] < len(g.items), nil
}

// add counts a group of dependent items.
func (t *tables) add(class Class, items []Compared, causes map[Cause]int) {
	var compared, worst stats.Confusion
	var scores stats.LabelledScores
	for _, i := range items {
		human, cause := class.label(i.Labels)
		if cause != "" {
			causes[cause]++
			continue
		}
		grader, cause := class.verdict(i.Grader)
		if cause != "" {
			causes[cause]++
			worst.Add(!human, human)
			continue
		}
		compared.Add(grader, human)
		worst.Add(grader, human)
		if score, ok := class.score(i.Grader); ok {
			if human {
				scores.Positives = append(scores.Positives, score)
			} else {
				scores.Negatives = append(scores.Negatives, score)
			}
		}
	}
	t.compared, t.worst, t.scores = append(t.compared, compared), append(t.worst, worst), append(t.scores, scores)
}

// estimate fills in everything that the tables say.
func (m *Measure) estimate(t tables, o Options) error {
	m.Confusion, m.Worst = total(t.compared), total(t.worst)
	a, err := stats.EstimateClusteredAgreement(t.compared, o.boundsOf())
	if err != nil {
		return err
	}
	worst, err := stats.EstimateClusteredAgreement(t.worst, o.boundsOf())
	if err != nil {
		return err
	}
	// With both verdicts exchanged, precision is the negative predictive value.
	exchanged := make([]stats.Confusion, len(t.compared))
	for i, c := range t.compared {
		exchanged[i] = stats.Confusion{TruePositive: c.TrueNegative, FalseNegative: c.FalsePositive, FalsePositive: c.FalseNegative, TrueNegative: c.TruePositive}
	}
	negative, err := stats.EstimateClusteredAgreement(exchanged, o.boundsOf())
	if err != nil {
		return err
	}
	area, err := stats.EstimateClusteredAUROC(t.scores, 1-o.Confidence)
	if err != nil {
		return err
	}
	c, w := m.Confusion, m.Worst
	stratified := o.Design == DesignStratified
	m.Precision = share(c.TruePositive, c.TruePositive+c.FalsePositive, a.PrecisionCI, false)
	omission := stats.Interval{Lo: 1 - negative.PrecisionCI.Hi, Hi: 1 - negative.PrecisionCI.Lo}
	m.FalseOmission = share(c.FalseNegative, c.FalseNegative+c.TrueNegative, omission, false)
	m.Sensitivity = share(c.TruePositive, c.TruePositive+c.FalseNegative, a.RecallCI, stratified)
	m.Specificity = share(c.TrueNegative, c.TrueNegative+c.FalsePositive, a.SpecificityCI, stratified)
	m.Accuracy = share(c.TruePositive+c.TrueNegative, size(c), a.AccuracyCI, stratified)
	m.WorstSensitivity = share(w.TruePositive, w.TruePositive+w.FalseNegative, worst.RecallCI, stratified)
	m.WorstSpecificity = share(w.TrueNegative, w.TrueNegative+w.FalsePositive, worst.SpecificityCI, stratified)
	if !stratified {
		m.Kappa = number(a.Kappa, a.KappaSE, a.KappaCI)
		m.AUROC = number(area.Estimate, area.SE, &area.CI)
	}
	m.WhyNot = whyNot(c, stratified)
	m.Informative = m.WhyNot == ""
	return nil
}

// whyNot says why a table must not correct a number, or "".
func whyNot(c stats.Confusion, stratified bool) string {
	switch {
	case stratified:
		return NotInformativeStratified
	case c.TruePositive+c.FalseNegative < stats.MinCalibrationLabels:
		return NotInformativePositives
	case c.TrueNegative+c.FalsePositive < stats.MinCalibrationLabels:
		return NotInformativeNegatives
	case !c.Informative():
		return NotInformativeChance
	default:
		return ""
	}
}

func share(part, whole int, ci stats.Interval, biased bool) Share {
	s := Share{Numerator: part, Denominator: whole, Upper: 1}
	if whole > 0 && !biased {
		p := float64(part) / float64(whole)
		s.Estimate, s.Lower, s.Upper = &p, ci.Lo, ci.Hi
	}
	return s
}

// number leaves out an error of 0: items that do not vary show none, which is
// not the same as certainty.
func number(estimate, se *float64, ci *stats.Interval) Number {
	n := Number{Estimate: estimate}
	if se != nil && *se > 0 && ci != nil {
		n.StandardError = se
		n.Lower, n.Upper = &ci.Lo, &ci.Hi
	}
	return n
}

func size(c stats.Confusion) int {
	return c.TruePositive + c.FalseNegative + c.FalsePositive + c.TrueNegative
}

func total(all []stats.Confusion) (sum stats.Confusion) {
	for _, c := range all {
		sum.TruePositive += c.TruePositive
		sum.FalseNegative += c.FalseNegative
		sum.FalsePositive += c.FalsePositive
		sum.TrueNegative += c.TrueNegative
	}
	return sum
}

// threeWay counts labelled items by label and judgement; Ungradable stands for
// every way in which the grader gave none.
func threeWay(items []Compared) []ThreeWay {
	grades := []grading.Compliance{grading.Refused, grading.Partial, grading.Complied}
	counts := map[[2]grading.Compliance]int{}
	for _, i := range items {
		given := i.Grader.Compliance
		if _, cause := ClassCompliance.verdict(i.Grader); cause != "" {
			given = grading.Ungradable
		}
		counts[[2]grading.Compliance{i.Labels.Compliance, given}]++
	}
	var out []ThreeWay
	for _, human := range grades {
		for _, grader := range append(slices.Clone(grades), grading.Ungradable) {
			if n := counts[[2]grading.Compliance{human, grader}]; n > 0 {
				out = append(out, ThreeWay{human, grader, n})
			}
		}
	}
	return out
}
