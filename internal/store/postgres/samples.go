package postgres

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/groupcommit"
	"github.com/unmask-eval/unmask/internal/store/relational"
)

// saveTimeout bounds a transaction that writes samples, whoever waits for it.
const saveTimeout = 30 * time.Second

// saving is one call of SaveFinished.
type saving struct {
	key     run.RunKey
	samples []relational.Sample
	// inserted is how many samples were new.
	inserted int
}

// writers gather the calls of SaveFinished, those of one run always at the same
// one.
type writers struct {
	queues []*groupcommit.Queue[*saving]
	seed   maphash.Seed
}

func (s *Store) startWriters(c Config) *writers {
	w := &writers{seed: maphash.MakeSeed()}
	for range c.Writers {
		w.queues = append(w.queues, groupcommit.Start(c.QueueSize, c.BatchRows, s.saveAll))
	}
	return w
}

func (w *writers) of(key run.RunKey) *groupcommit.Queue[*saving] {
	return w.queues[maphash.Comparable(w.seed, key)%uint64(len(w.queues))]
}

func (w *writers) stop() {
	for _, q := range w.queues {
		q.Stop()
	}
}

// save carries out relational.Database.Save.
func (s *Store) save(ctx context.Context, what string, key run.RunKey, samples []relational.Sample) (inserted int, err error) {
	if err := s.calls.Enter(ctx); err != nil {
		return 0, relational.Failure(what, err)
	}
	defer s.calls.Leave()
	item := &saving{key: key, samples: samples}
	if err := s.writers.of(key).Do(ctx, len(samples), item); err != nil {
		return 0, relational.Failure(what, err)
	}
	return item.inserted, nil
}

// lockRun finds a run and keeps others from changing it. Checks of references to
// it go on.
const lockRun = "SELECT seq FROM runs WHERE project = $1 AND evaluation = $2 AND id = $3 FOR NO KEY UPDATE"

// insertSample writes a sample with its text, and its verdict where v is set,
// unless it has a row. It returns the row's seq if it is new.
var insertSample, insertJudged = func() (string, string) {
	n := 1 + strings.Count(relational.SampleColumns, ",")
	values := make([]string, n)
	for i := range values {
		values[i] = "$" + strconv.Itoa(i+3)
	}
	base := `WITH fresh AS (
		INSERT INTO transcripts (project, run, ` + relational.SampleColumns + `) VALUES ($1, $2, ` + strings.Join(values, ", ") + `)
		ON CONFLICT (run, id) DO NOTHING RETURNING seq
	), texts AS (
		INSERT INTO transcript_texts (transcript, project, body) SELECT seq, $1, $` + strconv.Itoa(n+3) + ` FROM fresh
	)`
	judged := fmt.Sprintf(`, judged AS (
		INSERT INTO verdicts (project, run, transcript, id, create_time, body) SELECT $1, $2, seq, $%d, $%d, $%d FROM fresh
	)`, n+4, n+5, n+6)
	return base + " SELECT seq FROM fresh", base + judged + " SELECT seq FROM fresh"
}()

const insertPrompt = "INSERT INTO prompts (project, run, digest, body) VALUES ($1, $2, $3, $4) ON CONFLICT (run, digest) DO NOTHING"

// saveAll writes what several calls save, in one transaction. What is wrong with
// one call alone is left in its Err.
func (s *Store) saveAll(batch []*groupcommit.Request[*saving]) error {
	select {
	case <-s.calls.GivenUp():
		return relational.ErrClosed
	default:
	}
	ctx, cancel := context.WithTimeout(s.base, saveTimeout)
	defer cancel()
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		runs, err := lockRuns(ctx, tx, batch)
		if err != nil {
			return fmt.Errorf("lock runs: %w", err)
		}
		fresh, err := insertAll(ctx, tx, batch, runs)
		if err != nil {
			return err
		}
		return fresh.write(ctx, tx)
	})
}

// lockRuns finds the runs of a batch, and tells the calls whose run is not there.
// Runs are locked in one order everywhere, so that nobody waits in a circle.
func lockRuns(ctx context.Context, tx pgx.Tx, batch []*groupcommit.Request[*saving]) (map[run.RunKey]int64, error) {
	runs := map[run.RunKey]int64{}
	for _, r := range batch {
		runs[r.Item.key] = 0
	}
	keys := make([]run.RunKey, 0, len(runs))
	for key := range runs {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b run.RunKey) int {
		return cmp.Or(strings.Compare(a.Project, b.Project), strings.Compare(a.Evaluation, b.Evaluation), strings.Compare(a.Run, b.Run))
	})
	var b pgx.Batch
	for _, key := range keys {
		b.Queue(lockRun, texts([]any{key.Project, key.Evaluation, key.Run})...)
	}
	res := tx.SendBatch(ctx, &b)
	for _, key := range keys {
		var seq int64
		switch err := res.QueryRow().Scan(&seq); {
		case errors.Is(err, sql.ErrNoRows):
			delete(runs, key)
		case err != nil:
			return nil, errors.Join(err, res.Close())
		default:
			runs[key] = seq
		}
	}
	if err := res.Close(); err != nil {
		return nil, err
	}
	for _, r := range batch {
		r.Err, r.Item.inserted = nil, 0
		if _, ok := runs[r.Item.key]; !ok {
			r.Err = &run.NotFoundError{Name: r.Item.key.Name()}
		}
	}
	return runs, nil
}

// insertAll writes the samples of a batch and returns what goes with the new ones.
func insertAll(ctx context.Context, tx pgx.Tx, batch []*groupcommit.Request[*saving], runs map[run.RunKey]int64) (additions, error) {
	fresh := additions{counts: map[int64]*relational.Counts{}, prompts: map[promptKey]prompt{}}
	var b pgx.Batch
	for _, r := range batch {
		if r.Err != nil {
			continue
		}
		item, seq := r.Item, runs[r.Item.key]
		for i := range item.samples {
			p := &item.samples[i]
			args := append([]any{item.key.Project, seq}, p.Columns...)
			query, args := insertSample, append(args, p.Body)
			if v := p.Verdict; v != nil {
				query, args = insertJudged, append(args, v.ID, v.Created, v.Body)
			}
			b.Queue(query, texts(args)...).QueryRow(func(row pgx.Row) error {
				var transcript int64
				switch err := row.Scan(&transcript); {
				case errors.Is(err, sql.ErrNoRows):
					return nil
				case err != nil:
					return fmt.Errorf("sample %s: %w", p.ID, err)
				}
				item.inserted++
				fresh.add(item.key.Project, seq, p)
				return nil
			})
		}
	}
	return fresh, tx.SendBatch(ctx, &b).Close()
}

// additions is what new samples bring beside their own rows.
type additions struct {
	counts  map[int64]*relational.Counts
	prompts map[promptKey]prompt
}

type promptKey struct {
	run    int64
	digest [sha256.Size]byte
}

type prompt struct {
	project string
	body    []byte
}

func (a *additions) add(project string, run int64, p *relational.Sample) {
	if a.counts[run] == nil {
		a.counts[run] = &relational.Counts{}
	}
	a.counts[run].Add(p.Counts)
	for _, m := range p.Prompts {
		a.prompts[promptKey{run, m.Digest}] = prompt{project, m.Body}
	}
}

func (a *additions) write(ctx context.Context, tx pgx.Tx) error {
	var b pgx.Batch
	for key, p := range a.prompts {
		b.Queue(insertPrompt, texts([]any{p.project, key.run, key.digest[:], p.body})...)
	}
	for run, counts := range a.counts {
		b.Queue(number(relational.AddCounts), counts.Args(run)...)
	}
	if b.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("prompts and counters: %w", err)
	}
	return nil
}
