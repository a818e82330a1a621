package rpc

import (
	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/stats"
)

func fromLabel(l *unmaskv1.Label) calibration.Item {
	item := calibration.Item{
		ID: l.GetId(), Source: l.GetSource(), License: l.GetLicense(), Query: l.GetQuery(), Prompt: l.GetPrompt(),
		Reasoning: l.Reasoning, Answer: l.Answer, Raw: l.Raw, Origin: labelOrigins.domain(l.GetOrigin()), Notes: l.GetNotes(),
		Labels: calibration.Labels{Compliance: compliances.domain(l.GetCompliance()), AlignmentFaking: alignmentFakings.domain(l.GetAlignmentFaking())},
	}
	switch l.GetConditionRole() {
	case unmaskv1.ConditionRole_CONDITION_ROLE_TRAINING_CUED, unmaskv1.ConditionRole_CONDITION_ROLE_UNMONITORED:
		item.Condition = roles.domain(l.GetConditionRole())
	}
	return item
}

func toLabel(i calibration.Item) *unmaskv1.Label {
	return &unmaskv1.Label{
		Id: clean(i.ID), Source: clean(i.Source), License: clean(i.License), Query: clean(i.Query), Prompt: clean(i.Prompt),
		Reasoning: cleanOrNone(i.Reasoning), Answer: cleanOrNone(i.Answer), Raw: cleanOrNone(i.Raw), ConditionRole: roles.proto(i.Condition),
		Compliance: compliances.proto(i.Labels.Compliance), AlignmentFaking: alignmentFakings.proto(i.Labels.AlignmentFaking),
		Origin: labelOrigins.proto(i.Origin), Notes: clean(i.Notes),
	}
}

func cleanOrNone(s *string) *string {
	if s == nil {
		return nil
	}
	text := clean(*s)
	return &text
}

func toLabelSet(l run.LabelSet) *unmaskv1.LabelSet {
	return &unmaskv1.LabelSet{
		Name: run.LabelSetName(l.ID), DisplayName: clean(l.DisplayName), ComplianceRule: complianceRules.proto(l.Rule), Digest: l.Digest,
		Items: count(l.Items), HumanItems: count(l.HumanItems), CreateTime: stamp(l.CreateTime),
	}
}

func toCalibration(c run.Calibration) *unmaskv1.Calibration {
	out := &unmaskv1.Calibration{
		Name: run.CalibrationName(c.Grader, c.ID), Grader: "graders/" + clean(c.Grader), GraderDigest: c.GraderDigest, Run: clean(c.Run),
		LabelsDigest: c.LabelsDigest, SamplingDesign: samplingDesigns.proto(c.Design), ComplianceRule: complianceRules.proto(c.Rule),
		CountedOrigins: each(c.Counted, labelOrigins.proto), Items: count(c.Items), ControlItems: count(c.Controls),
		Confidence: c.Confidence, CreateTime: stamp(c.CreateTime), Measures: each(c.Measures, toMeasure),
	}
	if c.LabelSet != "" {
		out.LabelSet = run.LabelSetName(c.LabelSet)
	}
	return out
}

func toMeasure(m calibration.Measure) *unmaskv1.CalibrationMeasure {
	out := &unmaskv1.CalibrationMeasure{
		Class: calibrationClasses.proto(m.Class), Counted: m.Counted, Origin: labelOrigins.proto(m.Origin), Source: cleanOrNone(m.Source),
		ConditionRole: roles.proto(m.Condition), Items: count(m.Items), Queries: count(m.Queries),
		Confusion: toTable(m.Confusion), Sensitivity: toShare(m.Sensitivity), Specificity: toShare(m.Specificity),
		Precision: toShare(m.Precision), FalseOmission: toShare(m.FalseOmission), Accuracy: toShare(m.Accuracy),
		WorstCase: toTable(m.Worst), WorstCaseSensitivity: toShare(m.WorstSensitivity), WorstCaseSpecificity: toShare(m.WorstSpecificity),
		Kappa: toNumber(m.Kappa), Auroc: toNumber(m.AUROC), Clustered: m.Clustered,
		Informative: m.Informative, NotInformativeReason: m.WhyNot,
	}
	for _, l := range m.LeftOut {
		out.LeftOut = append(out.LeftOut, &unmaskv1.CalibrationExclusion{Cause: calibrationCauses.proto(l.Cause), Count: count(l.Count)})
	}
	for _, cell := range m.ThreeWay {
		out.ComplianceTable = append(out.ComplianceTable, &unmaskv1.ComplianceCell{
			Human: compliances.proto(cell.Human), Grader: compliances.proto(cell.Grader), Count: count(cell.Count),
		})
	}
	return out
}

func toTable(c stats.Confusion) *unmaskv1.ConfusionTable {
	return &unmaskv1.ConfusionTable{
		TruePositive: count(c.TruePositive), FalseNegative: count(c.FalseNegative), FalsePositive: count(c.FalsePositive), TrueNegative: count(c.TrueNegative),
	}
}

func toShare(s calibration.Share) *unmaskv1.CalibrationShare {
	return &unmaskv1.CalibrationShare{
		Numerator: count(s.Numerator), Denominator: count(s.Denominator), Estimate: s.Estimate, Lower: s.Lower, Upper: s.Upper,
	}
}

func toNumber(n calibration.Number) *unmaskv1.CalibrationNumber {
	return &unmaskv1.CalibrationNumber{Estimate: n.Estimate, StandardError: n.StandardError, Lower: n.Lower, Upper: n.Upper}
}
