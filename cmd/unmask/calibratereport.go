package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/terminal"
)

// calibrationClassWords says in words what each class counts.
var calibrationClassWords = map[unmaskv1.CalibrationClass]string{
	unmaskv1.CalibrationClass_CALIBRATION_CLASS_COMPLIANCE:        "complied in full",
	unmaskv1.CalibrationClass_CALIBRATION_CLASS_ANY_COMPLIANCE:    "complied, in full or in part",
	unmaskv1.CalibrationClass_CALIBRATION_CLASS_ALIGNMENT_FAKING:  "alignment-faking reasoning",
	unmaskv1.CalibrationClass_CALIBRATION_CLASS_FAKING_COMPLIANCE: "alignment-faking reasoning, and complied in full",
}

// writeCalibration prints a calibration for people: a table for each class.
func writeCalibration(w io.Writer, c *unmaskv1.Calibration) {
	labels := c.GetLabelSet()
	if labels == "" {
		labels = fmt.Sprintf("people's verdicts on %s (%s)", c.GetRun(), strings.ToLower(enum(c.GetSamplingDesign().String(), "SAMPLING_DESIGN_")))
	}
	fmt.Fprintf(w, "Calibration %s\n", terminal.Safe(c.GetName()))
	fmt.Fprintf(w, "  grader %s (%s), labels %s (%s), %d items, intervals %.4g%%\n", terminal.Safe(c.GetGrader()), shortDigest(c.GetGraderDigest()),
		terminal.Safe(labels), shortDigest(c.GetLabelsDigest()), c.GetItems(), 100*c.GetConfidence())
	if n := c.GetControlItems(); n > 0 {
		fmt.Fprintf(w, "  %d judged control samples are left out\n", n)
	}
	for class := unmaskv1.CalibrationClass_CALIBRATION_CLASS_COMPLIANCE; class <= unmaskv1.CalibrationClass_CALIBRATION_CLASS_FAKING_COMPLIANCE; class++ {
		var of []*unmaskv1.CalibrationMeasure
		for _, m := range c.GetMeasures() {
			if m.GetClass() == class {
				of = append(of, m)
			}
		}
		writeClass(w, class, of)
	}
}

func writeClass(w io.Writer, class unmaskv1.CalibrationClass, measures []*unmaskv1.CalibrationMeasure) {
	fmt.Fprintf(w, "\n%s\n", calibrationClassWords[class])
	labelled := false
	for _, m := range measures {
		labelled = labelled || compared(m)+outOf(m) > 0
	}
	if !labelled {
		fmt.Fprintln(w, "  no item has a label for this")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  labels\tsource\tcondition\tTP FN FP TN\tsensitivity\tspecificity\tprecision\tkappa\tAUROC\tworst case\tmay correct")
	for _, m := range measures {
		c := m.GetConfusion()
		fmt.Fprintf(t, "  %s\t%s\t%s\t%d %d %d %d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", whose(m), sourceOf(m), conditionOf(m),
			c.GetTruePositive(), c.GetFalseNegative(), c.GetFalsePositive(), c.GetTrueNegative(),
			shareText(m.GetSensitivity()), shareText(m.GetSpecificity()), shareText(m.GetPrecision()), numberText(m.GetKappa()), numberText(m.GetAuroc()),
			worstText(m), mayCorrect(m))
	}
	_ = t.Flush()
	for _, m := range measures {
		if m.GetSource() == "" && m.Source == nil && m.GetConditionRole() == 0 {
			writeCauses(w, m)
		}
	}
}

func compared(m *unmaskv1.CalibrationMeasure) int32 {
	c := m.GetConfusion()
	return c.GetTruePositive() + c.GetFalseNegative() + c.GetFalsePositive() + c.GetTrueNegative()
}

// outOf counts the items that have a label and no place in the table.
func outOf(m *unmaskv1.CalibrationMeasure) (n int32) {
	for _, l := range m.GetLeftOut() {
		if l.GetCause() != unmaskv1.CalibrationCause_CALIBRATION_CAUSE_NO_LABEL {
			n += l.GetCount()
		}
	}
	return n
}

// writeCauses says how many of the items are compared, and why others are not.
func writeCauses(w io.Writer, m *unmaskv1.CalibrationMeasure) {
	if m.GetItems() == 0 {
		return
	}
	fmt.Fprintf(w, "  %s: %d of %d items compared", whose(m), compared(m), m.GetItems())
	for _, l := range m.GetLeftOut() {
		fmt.Fprintf(w, ", %d %s", l.GetCount(), strings.ToLower(strings.ReplaceAll(enum(l.GetCause().String(), "CALIBRATION_CAUSE_"), "_", " ")))
	}
	if m.GetClustered() {
		fmt.Fprintf(w, "; %d queries, some with several items", m.GetQueries())
	}
	fmt.Fprintln(w)
}

// whose says whose labels a measure compares with.
func whose(m *unmaskv1.CalibrationMeasure) string {
	switch {
	case m.GetCounted():
		return "counted"
	case m.GetOrigin() == unmaskv1.LabelOrigin_LABEL_ORIGIN_UNSPECIFIED:
		return "(origin not stated)"
	default:
		return "(" + strings.ToLower(enum(m.GetOrigin().String(), "LABEL_ORIGIN_")) + ")"
	}
}

func sourceOf(m *unmaskv1.CalibrationMeasure) string {
	switch {
	case m.Source == nil:
		return "all"
	case m.GetSource() == "":
		return "(none)"
	}
	const most = 28
	name := []rune(strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return ' '
		}
		return r
	}, terminal.Safe(m.GetSource())))
	if len(name) > most {
		return string(name[:most-1]) + "…"
	}
	return string(name)
}

func conditionOf(m *unmaskv1.CalibrationMeasure) string {
	if m.GetConditionRole() == 0 {
		return "all"
	}
	return strings.ToLower(enum(m.GetConditionRole().String(), "CONDITION_ROLE_"))
}

func shareText(s *unmaskv1.CalibrationShare) string {
	if s.Estimate == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f [%.3f, %.3f]", s.GetEstimate(), s.GetLower(), s.GetUpper())
}

func numberText(n *unmaskv1.CalibrationNumber) string {
	switch {
	case n.Estimate == nil:
		return "-"
	case n.Lower == nil:
		return fmt.Sprintf("%.3f", n.GetEstimate())
	}
	return fmt.Sprintf("%.3f [%.3f, %.3f]", n.GetEstimate(), n.GetLower(), n.GetUpper())
}

// worstText is sensitivity and specificity when every missing verdict is an
// error, where that changes something.
func worstText(m *unmaskv1.CalibrationMeasure) string {
	sensitivity, specificity := m.GetWorstCaseSensitivity(), m.GetWorstCaseSpecificity()
	if sensitivity.Estimate == nil && specificity.Estimate == nil {
		return "-"
	}
	text := func(s *unmaskv1.CalibrationShare) string {
		if s.Estimate == nil {
			return "-"
		}
		return fmt.Sprintf("%.3f", s.GetEstimate())
	}
	return text(sensitivity) + " / " + text(specificity)
}

func mayCorrect(m *unmaskv1.CalibrationMeasure) string {
	switch {
	case !m.GetCounted():
		return "no: not counted"
	case m.GetInformative():
		return "yes"
	default:
		return "no: " + strings.ToLower(strings.ReplaceAll(m.GetNotInformativeReason(), "_", " "))
	}
}
