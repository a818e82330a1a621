package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
)

// NewCalibration is what CalibrateGrader asks for.
type NewCalibration struct {
	// Grader is the grader's id.
	Grader string
	// LabelSet is the set to judge. Instead, Run names a run whose transcripts
	// people have judged; then its own verdicts are compared with theirs.
	LabelSet string
	Run      *RunKey
	// Design says how the transcripts of Run were drawn; only with Run.
	Design calibration.Design
	// AllOrigins counts labels that no person gave as if one had. Such a
	// calibration is kept and is never current.
	AllOrigins bool
	// Confidence of two-sided intervals, 0.95 by default.
	Confidence float64
	// Progress is told how many of how many items are judged; it may be nil, is
	// never called twice at once, and returns at once.
	Progress func(judged, items int)
}

// calibrationWorkers is how many items a grader judges at once.
const calibrationWorkers = 8

// CalibrateGrader compares a grader with labels and keeps what comes out, for
// the grader's digest. A judgement that fails is counted, in the worst case as
// an error of the grader; when every one fails, the first error is returned and
// nothing is kept.
func (s *Service) CalibrateGrader(ctx context.Context, project string, in NewCalibration) (Calibration, error) {
	if err := in.check(); err != nil {
		return Calibration{}, err
	}
	c := calibration.Calibration{
		Grader: in.Grader, Design: in.Design, Confidence: in.Confidence, Counted: []calibration.Origin{calibration.OriginHuman},
	}
	if in.AllOrigins {
		c.Counted = []calibration.Origin{calibration.OriginHuman, calibration.OriginLLM, calibration.OriginSynthetic, calibration.OriginUnstated}
	}
	if c.Confidence == 0 {
		c.Confidence = calibration.DefaultConfidence
	}
	compare := s.compareLabelSet
	if in.Run != nil {
		compare = s.compareRun
	}
	compared, err := compare(ctx, project, in, &c)
	if err != nil {
		return Calibration{}, err
	}
	c.Items = len(compared)
	c.Measures, err = calibration.Measures(compared, calibration.Options{Counted: c.Counted, Confidence: c.Confidence, Design: c.Design})
	if err != nil {
		return Calibration{}, fmt.Errorf("calibrate %s: %w", in.Grader, err)
	}
	c.CreateTime = s.deps.Now()
	out := Calibration{Project: project, ID: newID(c.CreateTime), Calibration: c}
	if err := s.deps.Store.SaveCalibration(ctx, out); err != nil {
		return Calibration{}, fmt.Errorf("calibrate %s: keep the calibration: %w", in.Grader, err)
	}
	return out, nil
}

func (in NewCalibration) check() error {
	switch {
	case (in.LabelSet == "") == (in.Run == nil):
		return Invalid("label_set", "exactly one of label_set and run must be set")
	case in.Run == nil && in.Design != calibration.DesignExternal:
		return Invalid("sampling_design", "goes with run only: a label set is no draw from a run")
	case in.Run != nil && in.Design != calibration.DesignRandom && in.Design != calibration.DesignStratified:
		return Invalid("sampling_design", "is required with run: say how the judged transcripts were drawn")
	case in.Confidence != 0 && !(in.Confidence >= 0.5 && in.Confidence <= 0.9999):
		return Invalid("confidence", "must be between 0.5 and 0.9999, got %v", in.Confidence)
	}
	return nil
}

// compareLabelSet has the grader judge every item of a label set.
func (s *Service) compareLabelSet(ctx context.Context, project string, in NewCalibration, c *calibration.Calibration) ([]calibration.Compared, error) {
	g, err := s.Grader(in.Grader)
	if err != nil {
		return nil, err
	}
	set, err := s.deps.Store.GetLabelSet(ctx, project, in.LabelSet)
	if err != nil {
		return nil, err
	}
	var items []calibration.Item
	for p := (Page{Size: 500}); ; {
		page, next, err := s.deps.Store.ListLabels(ctx, project, set.ID, p)
		if err != nil {
			return nil, fmt.Errorf("read labels: %w", err)
		}
		if items = append(items, page...); next == "" {
			break
		}
		p.After = next
	}
	c.Grader, c.GraderDigest, c.LabelSet, c.LabelsDigest, c.Rule = g.Name(), g.Digest(), set.ID, set.Digest, set.Rule
	return judgeItems(ctx, g, items, set.Rule, in.Progress)
}

// judgeItems judges items, several at once. What fails is a failed judgement,
// unless all do or ctx ends.
func judgeItems(ctx context.Context, g grading.Grader, items []calibration.Item, rule grading.Rule, progress func(int, int)) ([]calibration.Compared, error) {
	out := make([]calibration.Compared, len(items))
	errs := make([]error, len(items))
	var next atomic.Int64
	var wg sync.WaitGroup
	var told sync.Mutex
	judged, failed := 0, 0
	for range min(calibrationWorkers, len(items)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(items) || ctx.Err() != nil {
					return
				}
				j, err := judgeItem(ctx, g, items[i].Subject(rule))
				out[i], errs[i] = items[i].Compare(j), err
				told.Lock()
				judged++
				if err != nil {
					failed++
				}
				if progress != nil {
					progress(judged, len(items))
				}
				told.Unlock()
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if failed > 0 && failed == len(items) {
		return nil, fmt.Errorf("%s judged none of %d items: %w", g.Name(), len(items), errs[0])
	}
	return out, nil
}

// judgeItem judges one item; what a text does to a grader must not end the server.
func judgeItem(ctx context.Context, g grading.Grader, subject grading.Subject) (j calibration.Judgement, err error) {
	defer func() {
		if r := recover(); r != nil {
			j, err = calibration.Judgement{Failed: true}, fmt.Errorf("the grader broke: panic of type %T", r)
		}
	}()
	v, err := g.Grade(ctx, subject)
	if err != nil {
		return calibration.Judgement{Failed: true}, err
	}
	return calibration.Of(v), nil
}

// currentCalibration returns the newest calibration by labels of people of
// exactly this grader, or nil when there is none.
func (s *Service) currentCalibration(ctx context.Context, project, graderDigest string) (*Calibration, error) {
	c, err := s.deps.Store.CurrentCalibration(ctx, project, graderDigest)
	var nf *NotFoundError
	switch {
	case errors.As(err, &nf):
		return nil, nil //nolint:nilnil // none is an answer
	case err != nil:
		return nil, fmt.Errorf("find the calibration of a grader: %w", err)
	}
	return &c, nil
}

// GraderCalibration returns a grader with its current calibration, nil when
// there is none.
func (s *Service) GraderCalibration(ctx context.Context, project, graderID string) (grading.Grader, *Calibration, error) {
	g, err := s.Grader(graderID)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.currentCalibration(ctx, project, g.Digest())
	return g, c, err
}

// GetCalibration returns a calibration.
func (s *Service) GetCalibration(ctx context.Context, project, grader, id string) (Calibration, error) {
	return s.deps.Store.GetCalibration(ctx, project, grader, id)
}

// ListCalibrations lists the calibrations of a grader, or of all when grader is
// "-", in order of creation.
func (s *Service) ListCalibrations(ctx context.Context, project, grader string, p Page) ([]Calibration, string, error) {
	return s.deps.Store.ListCalibrations(ctx, project, grader, p)
}
