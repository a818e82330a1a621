package calibration

import (
	"slices"
	"time"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/stats"
)

// Design says how the labelled items were drawn.
type Design string

// The designs.
const (
	// DesignExternal: a label set that is no draw from a run.
	DesignExternal Design = ""
	// DesignRandom: a random draw from the transcripts of a run.
	DesignRandom Design = "RANDOM"
	// DesignStratified: random draws inside what the grader called positive and
	// inside what it called negative, at different rates. Sensitivity,
	// specificity, accuracy, kappa and AUROC of such items are biased and are
	// not given; precision and false omission hold, for the class that the draw
	// was stratified by.
	DesignStratified Design = "STRATIFIED_BY_GRADER_LABEL"
)

// Why a confusion table must not correct a number.
const (
	// NotInformativeStratified: see DesignStratified.
	NotInformativeStratified = "STRATIFIED_DRAW"
	// NotInformativePositives and NotInformativeNegatives: fewer than
	// stats.MinCalibrationLabels.
	NotInformativePositives = "TOO_FEW_POSITIVES"
	NotInformativeNegatives = "TOO_FEW_NEGATIVES"
	// NotInformativeChance: Youden's J is not above 0.
	NotInformativeChance = "NO_BETTER_THAN_CHANCE"
)

// Calibration is how a grader did on labelled items.
type Calibration struct {
	// Grader and GraderDigest say whose verdicts were compared.
	Grader       string `json:"grader"`
	GraderDigest string `json:"grader_digest"`
	// LabelSet is the id of the labels' set, or "" when they are verdicts of
	// people on the transcripts of Run.
	LabelSet string `json:"label_set,omitempty"`
	Run      string `json:"run,omitempty"`
	// LabelsDigest pins the labels.
	LabelsDigest string `json:"labels_digest"`
	Design       Design `json:"design,omitempty"`
	// Rule says what counted as compliance.
	Rule grading.Rule `json:"rule"`
	// Counted are the origins whose labels enter the pooled measures.
	Counted []Origin `json:"counted"`
	// Items is the number of items; Controls of a run's were left out, because
	// they are no draw from its queries.
	Items    int `json:"items"`
	Controls int `json:"controls,omitempty"`
	// Confidence of all two-sided intervals.
	Confidence float64   `json:"confidence"`
	CreateTime time.Time `json:"create_time"`
	Measures   []Measure `json:"measures"`
}

// Measure compares grader and people on one class in one group of items.
type Measure struct {
	Class Class `json:"class"`
	// Counted is false for items of one origin that are reported apart.
	Counted bool   `json:"counted"`
	Origin  Origin `json:"origin,omitempty"`
	// Source is nil for all sources together, and Condition AnyRole for all
	// conditions together, items of unknown condition among them.
	Source    *string `json:"source,omitempty"`
	Condition Role    `json:"condition,omitempty"`
	// Items = those in Confusion + all in LeftOut. Queries is the number of
	// groups of dependent items in Confusion.
	Items     int             `json:"items"`
	Queries   int             `json:"queries"`
	Confusion stats.Confusion `json:"confusion"`
	LeftOut   []LeftOut       `json:"left_out"`
	// ThreeWay counts items by human label and grader's judgement of
	// compliance; only in ClassCompliance.
	ThreeWay []ThreeWay `json:"three_way,omitempty"`
	// Sensitivity (which is recall), Specificity, Precision, FalseOmission (the
	// positives among what the grader calls negative) and Accuracy.
	Sensitivity   Share `json:"sensitivity"`
	Specificity   Share `json:"specificity"`
	Precision     Share `json:"precision"`
	FalseOmission Share `json:"false_omission"`
	Accuracy      Share `json:"accuracy"`
	// Worst is Confusion with every labelled item on which the grader gave no
	// verdict counted as an error, and the shares that follow.
	Worst            stats.Confusion `json:"worst"`
	WorstSensitivity Share           `json:"worst_sensitivity"`
	WorstSpecificity Share           `json:"worst_specificity"`
	// Kappa is Cohen's, and AUROC the area under the curve of the grader's
	// score, over the items in Confusion.
	Kappa Number `json:"kappa"`
	AUROC Number `json:"auroc"`
	// Clustered says that several items share a query, so that intervals come
	// from resampling queries and not from independent items.
	Clustered bool `json:"clustered"`
	// Informative says whether Confusion may correct a rate or a gap, and
	// WhyNot, one of the NotInformative constants, why it may not.
	Informative bool   `json:"informative"`
	WhyNot      string `json:"why_not,omitempty"`
}

// LeftOut counts items without a place in a table.
type LeftOut struct {
	Cause Cause `json:"cause"`
	Count int   `json:"count"`
}

// ThreeWay is a cell of the table of compliance in three grades.
type ThreeWay struct {
	Human  grading.Compliance `json:"human"`
	Grader grading.Compliance `json:"grader"`
	Count  int                `json:"count"`
}

// Share is Numerator / Denominator with its interval, [0, 1] when nothing is
// known. Estimate is nil without a denominator, and where the design of the draw
// would bias it.
type Share struct {
	Numerator   int      `json:"numerator"`
	Denominator int      `json:"denominator"`
	Estimate    *float64 `json:"estimate,omitempty"`
	Lower       float64  `json:"lower"`
	Upper       float64  `json:"upper"`
}

// Number is an estimate with its standard error and interval; nil where they are
// not defined, and where items do not vary so that no error shows.
type Number struct {
	Estimate      *float64 `json:"estimate,omitempty"`
	StandardError *float64 `json:"standard_error,omitempty"`
	Lower         *float64 `json:"lower,omitempty"`
	Upper         *float64 `json:"upper,omitempty"`
}

// Measure returns the measure of a class over all counted items of a condition,
// AnyRole being all conditions.
func (c *Calibration) Measure(class Class, condition Role) (Measure, bool) {
	if c != nil {
		for _, m := range c.Measures {
			if m.Counted && m.Source == nil && m.Class == class && m.Condition == condition {
				return m, true
			}
		}
	}
	return Measure{}, false
}

// Confusion returns the table of a class over all counted items of a condition,
// for stats.Confusion.CorrectRate and CorrectGap. It is empty, and so not
// informative, where there is none and where the draw was stratified: use Audit
// there.
func (c *Calibration) Confusion(class Class, condition Role) stats.Confusion {
	if c == nil || c.Design == DesignStratified {
		return stats.Confusion{}
	}
	m, _ := c.Measure(class, condition)
	return m.Confusion
}

// Audit returns the counts of an audit of a run, for stats.EstimateAuditedRate.
// ok is false unless the labels are a draw from a run.
func (c *Calibration) Audit(class Class, condition Role) (counts stats.AuditCounts, ok bool) {
	if c == nil || c.Design == DesignExternal {
		return stats.AuditCounts{}, false
	}
	m, ok := c.Measure(class, condition)
	return stats.AuditCounts{
		Positives: m.Confusion.TruePositive + m.Confusion.FalsePositive, TruePositives: m.Confusion.TruePositive,
		Negatives: m.Confusion.TrueNegative + m.Confusion.FalseNegative, FalseNegatives: m.Confusion.FalseNegative,
	}, ok
}

// HumanLabelled reports whether labels of people alone are counted and at least
// one item was compared by them. Only such a calibration speaks for a grader.
func (c *Calibration) HumanLabelled() bool {
	if c == nil || !slices.Equal(c.Counted, []Origin{OriginHuman}) {
		return false
	}
	for _, m := range c.Measures {
		if m.Counted && m.Confusion != (stats.Confusion{}) {
			return true
		}
	}
	return false
}
