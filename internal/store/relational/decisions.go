package relational

import (
	"context"
	"fmt"

	"github.com/unmask-eval/unmask/internal/run"
)

const selectDecision = `SELECT project, gate, id, evaluation, run, policy, decision, evidence, create_time
	FROM decisions WHERE project = ? AND `

const decisionByID = selectDecision + "gate = ? AND id = ?"

// The lists of decisions: of a gate or of all, of one run or of all. Those of
// one run are few, so its index serves both kinds.
const (
	listDecisions        = selectDecision + "gate = ? AND (create_time, id) > (?, ?) ORDER BY create_time, id LIMIT ?"
	listAllDecisions     = selectDecision + "(create_time, id, gate) > (?, ?, ?) ORDER BY create_time, id, gate LIMIT ?"
	ofRun                = "evaluation = ? AND run = ? AND "
	listDecisionsOfRun   = selectDecision + ofRun + "gate = ? AND (create_time, id) > (?, ?) ORDER BY create_time, id LIMIT ?"
	listAllDecisionOfRun = selectDecision + ofRun + "(create_time, id, gate) > (?, ?, ?) ORDER BY create_time, id, gate LIMIT ?"
)

// scanDecision reads a decision; its evidence, which can be large, is packed.
func (s *Store) scanDecision(row Scanner) (d run.Decision, err error) {
	var policy, decision, evidence []byte
	var created int64
	err = row.Scan(&d.Project, &d.Gate, &d.ID, &d.Run.Evaluation, &d.Run.Run, &policy, &decision, &evidence, &created)
	if err != nil {
		return run.Decision{}, err
	}
	d.Run.Project = d.Project
	d.CreateTime = fromMicros(created)
	if err := decode(policy, &d.Policy); err != nil {
		return run.Decision{}, err
	}
	if err := decode(decision, &d.Decision); err != nil {
		return run.Decision{}, err
	}
	doc, err := s.packer.unpack(evidence)
	if err != nil {
		return run.Decision{}, err
	}
	return d, decode(doc, &d.Evidence)
}

// SaveDecision implements run.Store. A decision is never overwritten: a second
// one of the same name is a *run.ExistsError.
func (s *Store) SaveDecision(ctx context.Context, d run.Decision) error {
	return s.saveDecision(ctx, d, func(Tx) error { return nil })
}

const countDecisions = "SELECT count(*) FROM decisions WHERE project = ? AND checkpoint = ? AND checkpoint <> ''"

// SaveTry implements run.Store.
func (s *Store) SaveTry(ctx context.Context, d run.Decision, seen int) error {
	return s.saveDecision(ctx, d, func(tx Tx) error {
		if err := s.dialect.exclude(tx, "decisions "+d.Project+" "+d.Checkpoint); err != nil {
			return err
		}
		scan := func(row Scanner) (n int, err error) {
			err = row.Scan(&n)
			return n, err
		}
		have, err := one(tx, scan, d.Checkpoint, countDecisions, d.Project, d.Checkpoint)
		if err == nil && have != seen {
			err = &run.TriesError{Checkpoint: d.Checkpoint, Seen: seen, Have: have}
		}
		return err
	})
}

// saveDecision keeps a decision if allowed finds nothing against it. A decision
// that is there already is that first of all.
func (s *Store) saveDecision(ctx context.Context, d run.Decision, allowed func(Tx) error) error {
	name := decisionName(d.Gate, d.ID)
	if d.Run.Project != d.Project {
		return fmt.Errorf("save %s: the run is of another project", name)
	}
	policy, err := encode(d.Policy)
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	decision, err := encode(d.Decision)
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	evidence, err := encode(d.Evidence)
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	body := s.packer.pack(evidence)
	return s.db.Write(ctx, "save "+name, 1, func(tx Tx) error {
		have := func(row Scanner) (id string, err error) {
			err = row.Scan(&id)
			return id, err
		}
		if _, err := one(tx, have, name, "SELECT id FROM decisions WHERE project = ? AND gate = ? AND id = ?", d.Project, d.Gate, d.ID); !isNotFound(err) {
			if err == nil {
				err = &run.ExistsError{Name: name}
			}
			return err
		}
		if err := allowed(tx); err != nil {
			return err
		}
		n, err := tx.Changed(`INSERT INTO decisions
			(project, gate, id, evaluation, run, policy, decision, evidence, create_time, checkpoint)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, gate, id) DO NOTHING`,
			d.Project, d.Gate, d.ID, d.Run.Evaluation, d.Run.Run, string(policy), string(decision), body, micros(d.CreateTime), d.Checkpoint)
		if err == nil && n == 0 {
			return &run.ExistsError{Name: name}
		}
		return err
	})
}

// earlierDecisions reads no evidence, which can be large.
const earlierDecisions = `SELECT gate, id, evaluation, run, decision, create_time FROM decisions
	WHERE project = ? AND checkpoint = ? AND checkpoint <> '' AND NOT (evaluation = ? AND run = ?)
	ORDER BY create_time, id, gate`

// EarlierDecisions implements run.Store.
func (s *Store) EarlierDecisions(ctx context.Context, project, checkpoint string, except run.RunKey) (items []run.Decision, err error) {
	scan := func(row Scanner) (d run.Decision, err error) {
		var decision []byte
		var created int64
		if err := row.Scan(&d.Gate, &d.ID, &d.Run.Evaluation, &d.Run.Run, &decision, &created); err != nil {
			return run.Decision{}, err
		}
		d.Project, d.Run.Project, d.CreateTime = project, project, fromMicros(created)
		return d, decode(decision, &d.Decision)
	}
	err = s.db.Read(ctx, "list earlier decisions", func(r Querier) (err error) {
		items, err = Collect(r, scan, earlierDecisions, project, checkpoint, except.Evaluation, except.Run)
		return err
	})
	return items, err
}

// GetDecision implements run.Store.
func (s *Store) GetDecision(ctx context.Context, project, gateID, id string) (d run.Decision, err error) {
	name := decisionName(gateID, id)
	err = s.db.Read(ctx, "get "+name, func(r Querier) (err error) {
		d, err = one(r, s.scanDecision, name, decisionByID, project, gateID, id)
		return err
	})
	return d, err
}

// ListDecisions implements run.Store. Decisions outlive their gate, so a gate
// that does not exist has a list, which may be empty.
func (s *Store) ListDecisions(ctx context.Context, project, gateID string, of *run.RunKey, p run.Page) (items []run.Decision, next string, err error) {
	l := list{"decisions", project, gateID}
	if of != nil {
		l = append(l, of.Project, of.Evaluation, of.Run)
	}
	from, limit, err := l.after(p)
	if err != nil {
		return nil, "", err
	}
	if of != nil && of.Project != project {
		return nil, "", nil
	}
	var query string
	args := []any{project}
	if of != nil {
		args = append(args, of.Evaluation, of.Run)
	}
	if gateID == "*" {
		query = listAllDecisions
		if of != nil {
			query = listAllDecisionOfRun
		}
		args = append(args, from.rank, from.id, from.parent, limit)
	} else {
		query = listDecisions
		if of != nil {
			query = listDecisionsOfRun
		}
		args = append(args, gateID, from.rank, from.id, limit)
	}
	err = s.db.Read(ctx, "list decisions of "+run.GateName(gateID), func(r Querier) (err error) {
		items, err = Collect(r, s.scanDecision, query, args...)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	items, next = cut(l, items, limit, func(d run.Decision) position {
		return position{rank: micros(d.CreateTime), id: d.ID, parent: d.Gate}
	})
	return items, next, nil
}
