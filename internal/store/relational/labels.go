package relational

import (
	"context"
	"fmt"

	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/run"
)

const selectLabelSet = `SELECT project, id, display_name, rule, digest, items, human_items, create_time, request_id, request_digest
	FROM label_sets WHERE project = ? AND `

// labelSetByRequest repeats the condition of its partial index, or SQLite would
// not use it.
const labelSetByRequest = selectLabelSet + "request_id = ? AND request_id <> ''"

const listLabelSets = selectLabelSet + `(create_time, id) > (?, ?) ORDER BY create_time, id LIMIT ?`

const (
	labelSetSeq = "SELECT seq FROM label_sets WHERE project = ? AND id = ?"
	listLabels  = "SELECT place, body FROM labels WHERE label_set = ? AND place > ? ORDER BY place LIMIT ?"
)

func scanLabelSet(row Scanner) (l run.LabelSet, err error) {
	var created int64
	err = row.Scan(&l.Project, &l.ID, &l.DisplayName, &l.Rule, &l.Digest, &l.Items, &l.HumanItems, &created, &l.RequestID, &l.RequestDigest)
	l.CreateTime = fromMicros(created)
	return l, err
}

func scanSeq(row Scanner) (seq int64, err error) {
	err = row.Scan(&seq)
	return seq, err
}

func labelSetByID(q Querier, project, id string) (run.LabelSet, error) {
	return one(q, scanLabelSet, run.LabelSetName(id), selectLabelSet+"id = ?", project, id)
}

func labelSetCreation(l run.LabelSet) creation {
	return creation{name: run.LabelSetName(l.ID), requestID: l.RequestID, requestDigest: l.RequestDigest}
}

// CreateLabelSet implements run.Store.
func (s *Store) CreateLabelSet(ctx context.Context, l run.LabelSet, items []calibration.Item) (kept run.LabelSet, err error) {
	name := run.LabelSetName(l.ID)
	bodies := make([][]byte, len(items))
	for i, item := range items {
		doc, err := encode(item)
		if err != nil {
			return run.LabelSet{}, fmt.Errorf("create %s: item %d: %w", name, i, err)
		}
		bodies[i] = s.packer.pack(doc)
	}
	err = s.db.Write(ctx, "create "+name, 1+len(items), func(tx Tx) error {
		found, ok, err := earlier(labelSetCreation(l),
			func() (run.LabelSet, error) { return labelSetByID(tx, l.Project, l.ID) },
			func() (run.LabelSet, error) {
				return one(tx, scanLabelSet, name, labelSetByRequest, l.Project, l.RequestID)
			}, labelSetCreation)
		if err != nil {
			return err
		}
		if kept = found; ok {
			return nil
		}
		kept = l
		kept.CreateTime = stored(l.CreateTime)
		seq, err := tx.Insert(`INSERT INTO label_sets
			(project, id, display_name, rule, digest, items, human_items, create_time, request_id, request_digest)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			l.Project, l.ID, l.DisplayName, string(l.Rule), l.Digest, l.Items, l.HumanItems, micros(l.CreateTime), l.RequestID, l.RequestDigest)
		if err != nil {
			return err
		}
		labels := make([][]any, len(bodies))
		for place, body := range bodies {
			labels[place] = []any{seq, place, l.Project, body}
		}
		return tx.RunEach("INSERT INTO labels (label_set, place, project, body) VALUES (?, ?, ?, ?)", labels)
	})
	if err != nil {
		return run.LabelSet{}, err
	}
	return kept, nil
}

// GetLabelSet implements run.Store.
func (s *Store) GetLabelSet(ctx context.Context, project, id string) (l run.LabelSet, err error) {
	err = s.db.Read(ctx, "get "+run.LabelSetName(id), func(r Querier) (err error) {
		l, err = labelSetByID(r, project, id)
		return err
	})
	if err != nil {
		return run.LabelSet{}, err
	}
	return l, nil
}

// ListLabelSets implements run.Store.
func (s *Store) ListLabelSets(ctx context.Context, project string, p run.Page) (items []run.LabelSet, next string, err error) {
	l := list{"labelSets", project}
	from, limit, err := l.after(p)
	if err != nil {
		return nil, "", err
	}
	err = s.db.Read(ctx, "list label sets", func(r Querier) (err error) {
		items, err = Collect(r, scanLabelSet, listLabelSets, project, from.rank, from.id, limit)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	items, next = cut(l, items, limit, func(l run.LabelSet) position {
		return position{rank: micros(l.CreateTime), id: l.ID}
	})
	return items, next, nil
}

// DeleteLabelSet implements run.Store.
func (s *Store) DeleteLabelSet(ctx context.Context, project, id string) error {
	name := run.LabelSetName(id)
	return s.db.Write(ctx, "delete "+name, 1, func(tx Tx) error {
		seq, err := one(tx, scanSeq, name, labelSetSeq, project, id)
		if err != nil {
			return err
		}
		if err := tx.Run("DELETE FROM labels WHERE label_set = ?", seq); err != nil {
			return err
		}
		return tx.Run("DELETE FROM label_sets WHERE seq = ?", seq)
	})
}

// labelRow is a label with its place and its packed content.
type labelRow struct {
	place int64
	body  []byte
}

func scanLabel(row Scanner) (l labelRow, err error) {
	err = row.Scan(&l.place, &l.body)
	return l, err
}

// ListLabels implements run.Store.
func (s *Store) ListLabels(ctx context.Context, project, labelSet string, p run.Page) (items []calibration.Item, next string, err error) {
	l := list{"labels", project, labelSet}
	from, limit, err := l.after(p)
	if err != nil {
		return nil, "", err
	}
	name := run.LabelSetName(labelSet)
	err = s.db.Snapshot(ctx, "list labels of "+name, func(r Querier) error {
		seq, err := one(r, scanSeq, name, labelSetSeq, project, labelSet)
		if err != nil {
			return err
		}
		rows, err := Collect(r, scanLabel, listLabels, seq, from.rank, limit)
		if err != nil {
			return err
		}
		rows, next = cut(l, rows, limit, func(row labelRow) position { return position{rank: row.place} })
		items = make([]calibration.Item, len(rows))
		for i, row := range rows {
			doc, err := s.packer.unpack(row.body)
			if err != nil {
				return err
			}
			if err := decode(doc, &items[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return items, next, nil
}
