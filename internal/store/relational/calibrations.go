package relational

import (
	"context"
	"fmt"

	"github.com/unmask-eval/unmask/internal/run"
)

const selectCalibration = "SELECT project, id, body FROM calibrations WHERE project = ? AND "

const (
	calibrationByID     = selectCalibration + "grader = ? AND id = ?"
	listCalibrations    = selectCalibration + "grader = ? AND (create_time, id) > (?, ?) ORDER BY create_time, id LIMIT ?"
	listAllCalibrations = selectCalibration + "(create_time, id, grader) > (?, ?, ?) ORDER BY create_time, id, grader LIMIT ?"
)

// currentCalibration repeats the condition of its partial index.
func (d Dialect) currentCalibration() string {
	return selectCalibration + "grader_digest = ? AND human = " + d.True + " ORDER BY create_time DESC, id DESC, grader DESC LIMIT 1"
}

func (s *Store) scanCalibration(row Scanner) (c run.Calibration, err error) {
	var body []byte
	if err := row.Scan(&c.Project, &c.ID, &body); err != nil {
		return run.Calibration{}, err
	}
	doc, err := s.packer.unpack(body)
	if err != nil {
		return run.Calibration{}, err
	}
	if err := decode(doc, &c.Calibration); err != nil {
		return run.Calibration{}, err
	}
	c.CreateTime = stored(c.CreateTime)
	return c, nil
}

// SaveCalibration implements run.Store. A calibration is never overwritten.
func (s *Store) SaveCalibration(ctx context.Context, c run.Calibration) error {
	name := run.CalibrationName(c.Grader, c.ID)
	doc, err := encode(c.Calibration)
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	body := s.packer.pack(doc)
	return s.db.Write(ctx, "save "+name, 1, func(tx Tx) error {
		n, err := tx.Changed(`INSERT INTO calibrations (project, grader, id, grader_digest, human, create_time, body)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, grader, id) DO NOTHING`,
			c.Project, c.Grader, c.ID, c.GraderDigest, c.HumanLabelled(), micros(c.CreateTime), body)
		if err == nil && n == 0 {
			return &run.ExistsError{Name: name}
		}
		return err
	})
}

// GetCalibration implements run.Store.
func (s *Store) GetCalibration(ctx context.Context, project, grader, id string) (run.Calibration, error) {
	return s.oneCalibration(ctx, run.CalibrationName(grader, id), calibrationByID, project, grader, id)
}

// CurrentCalibration implements run.Store.
func (s *Store) CurrentCalibration(ctx context.Context, project, graderDigest string) (run.Calibration, error) {
	return s.oneCalibration(ctx, "a calibration of the grader "+graderDigest, s.dialect.currentCalibration(), project, graderDigest)
}

func (s *Store) oneCalibration(ctx context.Context, name, query string, args ...any) (c run.Calibration, err error) {
	err = s.db.Read(ctx, "get "+name, func(r Querier) (err error) {
		c, err = one(r, s.scanCalibration, name, query, args...)
		return err
	})
	if err != nil {
		return run.Calibration{}, err
	}
	return c, nil
}

// ListCalibrations implements run.Store.
func (s *Store) ListCalibrations(ctx context.Context, project, grader string, p run.Page) (items []run.Calibration, next string, err error) {
	l := list{"calibrations", project, grader}
	from, limit, err := l.after(p)
	if err != nil {
		return nil, "", err
	}
	query, args := listCalibrations, []any{project, grader, from.rank, from.id, limit}
	if grader == "-" {
		query, args = listAllCalibrations, []any{project, from.rank, from.id, from.parent, limit}
	}
	err = s.db.Read(ctx, "list calibrations", func(r Querier) (err error) {
		items, err = Collect(r, s.scanCalibration, query, args...)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	items, next = cut(l, items, limit, func(c run.Calibration) position {
		return position{rank: micros(c.CreateTime), id: c.ID, parent: c.Grader}
	})
	return items, next, nil
}
