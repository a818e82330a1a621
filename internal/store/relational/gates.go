package relational

import (
	"context"
	"fmt"

	"github.com/unmask-eval/unmask/internal/run"
)

const selectGate = `SELECT project, id, display_name, policy, create_time, request_id, request_digest
	FROM gates WHERE project = ? AND `

// gateByRequest repeats the condition of its partial index, or SQLite would not
// use it.
const gateByRequest = selectGate + "request_id = ? AND request_id <> ''"

const listGates = selectGate + `(create_time, id) > (?, ?) ORDER BY create_time, id LIMIT ?`

func scanGate(row Scanner) (g run.Gate, err error) {
	var policy []byte
	var created int64
	err = row.Scan(&g.Project, &g.ID, &g.DisplayName, &policy, &created, &g.RequestID, &g.RequestDigest)
	if err != nil {
		return run.Gate{}, err
	}
	g.CreateTime = fromMicros(created)
	return g, decode(policy, &g.Policy)
}

func gateByID(q Querier, project, id string) (run.Gate, error) {
	return one(q, scanGate, run.GateName(id), selectGate+"id = ?", project, id)
}

func gateCreation(g run.Gate) creation {
	return creation{name: run.GateName(g.ID), requestID: g.RequestID, requestDigest: g.RequestDigest}
}

// CreateGate implements run.Store.
func (s *Store) CreateGate(ctx context.Context, g run.Gate) (kept run.Gate, err error) {
	name := run.GateName(g.ID)
	policy, err := encode(g.Policy)
	if err != nil {
		return run.Gate{}, fmt.Errorf("create %s: %w", name, err)
	}
	err = s.db.Write(ctx, "create "+name, 1, func(tx Tx) error {
		found, ok, err := earlier(gateCreation(g),
			func() (run.Gate, error) { return gateByID(tx, g.Project, g.ID) },
			func() (run.Gate, error) {
				return one(tx, scanGate, name, gateByRequest, g.Project, g.RequestID)
			}, gateCreation)
		if err != nil {
			return err
		}
		if kept = found; ok {
			return nil
		}
		kept = g
		kept.CreateTime = stored(g.CreateTime)
		return tx.Run(`INSERT INTO gates (project, id, display_name, policy, create_time, request_id, request_digest)
			VALUES (?, ?, ?, ?, ?, ?, ?)`,
			g.Project, g.ID, g.DisplayName, string(policy), micros(g.CreateTime), g.RequestID, g.RequestDigest)
	})
	if err != nil {
		return run.Gate{}, err
	}
	return kept, nil
}

// GetGate implements run.Store.
func (s *Store) GetGate(ctx context.Context, project, id string) (g run.Gate, err error) {
	err = s.db.Read(ctx, "get "+run.GateName(id), func(r Querier) (err error) {
		g, err = gateByID(r, project, id)
		return err
	})
	return g, err
}

// ListGates implements run.Store.
func (s *Store) ListGates(ctx context.Context, project string, p run.Page) (items []run.Gate, next string, err error) {
	l := list{"gates", project}
	from, limit, err := l.after(p)
	if err != nil {
		return nil, "", err
	}
	err = s.db.Read(ctx, "list gates", func(r Querier) (err error) {
		items, err = Collect(r, scanGate, listGates, project, from.rank, from.id, limit)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	items, next = cut(l, items, limit, func(g run.Gate) position {
		return position{rank: micros(g.CreateTime), id: g.ID}
	})
	return items, next, nil
}

// DeleteGate implements run.Store.
func (s *Store) DeleteGate(ctx context.Context, project, id string) error {
	name := run.GateName(id)
	return s.db.Write(ctx, "delete "+name, 1, func(tx Tx) error {
		n, err := tx.Changed("DELETE FROM gates WHERE project = ? AND id = ?", project, id)
		return required(n, err, name)
	})
}
