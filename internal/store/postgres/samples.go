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
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

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
	// inserted is how many samples were new, and before how many were new in a
	// transaction of which it is not known whether it was committed.
	inserted, before int
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

// Rows are given as one array for each column, so that a statement serves any
// number of them.
var (
	// insertSamples writes samples that have no row, and returns which those are.
	insertSamples = "INSERT INTO transcripts (project, run, " + relational.SampleColumns + `)
		SELECT * FROM unnest(` + sampleArrays() + ") ON CONFLICT (run, id) DO NOTHING RETURNING run, id, seq"
	insertTexts = `INSERT INTO transcript_texts (project, transcript, body)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])`
	insertVerdicts = `INSERT INTO verdicts (project, run, transcript, id, create_time, body)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bytea[])`
	insertPrompts = `INSERT INTO prompts (project, run, digest, body)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bytea[]) ON CONFLICT (run, digest) DO NOTHING`
)

// sampleArrays are the parameters of insertSamples.
func sampleArrays() string {
	types := map[string]string{
		"error_message": "bytea", "model_id": "bytea", "control": "boolean", "observable": "boolean", "whole": "boolean",
	}
	for _, name := range []string{
		"run", "sample_index", "repeat", "seed", "error_status", "error_attempts", "input_tokens", "output_tokens",
		"reasoning_tokens", "latency_ns", "attempts", "create_time",
	} {
		types[name] = "bigint"
	}
	var out []string
	for i, name := range strings.Split("project, run, "+relational.SampleColumns, ",") {
		t := cmp.Or(types[strings.TrimSpace(name)], "text")
		out = append(out, fmt.Sprintf("$%d::%s[]", i+1, t))
	}
	return strings.Join(out, ", ")
}

// saveAll writes what several calls save, in one transaction. What is wrong with
// one call alone is left in its Err.
func (s *Store) saveAll(batch []*groupcommit.Request[*saving]) error {
	ctx, cancel := context.WithTimeout(s.calls.Context(), saveTimeout)
	defer cancel()
	for _, r := range batch {
		r.Item.before = 0
	}
	err := again(ctx, savePatience, func() error {
		err := s.saveBatch(ctx, batch)
		var unknown *commitError
		if !errors.As(err, &unknown) {
			if err == nil {
				for _, r := range batch {
					r.Item.inserted = max(r.Item.inserted, r.Item.before)
				}
			}
			return err
		}
		// Samples are kept once, so this can be tried again. What is there by then
		// was written by the transaction whose end is not known.
		for _, r := range batch {
			r.Item.before = max(r.Item.before, r.Item.inserted)
		}
		return unknown.error
	})
	if err != nil && s.calls.Context().Err() != nil {
		return relational.ErrClosed
	}
	var away *run.UnavailableError
	if errors.As(err, &away) || ctx.Err() != nil && err != nil {
		// Each call alone would wait as long again, one after the other.
		for _, r := range batch {
			r.Err = &run.UnavailableError{Err: err}
		}
		return nil
	}
	return err
}

// saveBatch runs the transaction of a batch in three round trips: it begins with
// the first one and is committed with the last. A *commitError says that it is not
// known whether it was.
func (s *Store) saveBatch(ctx context.Context, batch []*groupcommit.Request[*saving]) (err error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer func() {
		if err != nil && !conn.Conn().IsClosed() {
			// When this fails as well, the pool closes the connection.
			_, _ = conn.Exec(context.WithoutCancel(ctx), "ROLLBACK")
		}
	}()
	runs, err := beginWithRuns(ctx, conn, batch)
	if err != nil {
		return fmt.Errorf("lock runs: %w", err)
	}
	fresh, err := insertAll(ctx, conn, batch, runs)
	if err != nil {
		return err
	}
	// A commit that was sent is waited for, so that an error means "not kept".
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if err = fresh.writeAndCommit(end, conn); err != nil && (broken(err) || end.Err() != nil) {
		return &commitError{err}
	}
	return err
}

// beginWithRuns begins a transaction, finds the runs of a batch, and tells the
// calls whose run is not there. Runs are locked in one order everywhere, so that nobody waits in a circle.
func beginWithRuns(ctx context.Context, conn *pgxpool.Conn, batch []*groupcommit.Request[*saving]) (map[run.RunKey]int64, error) {
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
	b.Queue("BEGIN")
	for _, key := range keys {
		b.Queue(lockRun, texts([]any{key.Project, key.Evaluation, key.Run})...)
	}
	res := conn.SendBatch(ctx, &b)
	if _, err := res.Exec(); err != nil {
		return nil, errors.Join(err, res.Close())
	}
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

// sampleAt names a sample in all runs.
type sampleAt struct {
	run int64
	id  string
}

// insertAll writes the samples of a batch and returns what goes with the new ones.
func insertAll(ctx context.Context, conn *pgxpool.Conn, batch []*groupcommit.Request[*saving], runs map[run.RunKey]int64) (*additions, error) {
	type given struct {
		item   *saving
		sample *relational.Sample
	}
	all := map[sampleAt]given{}
	var rows columns
	for _, r := range batch {
		if r.Err != nil {
			continue
		}
		seq := runs[r.Item.key]
		for i := range r.Item.samples {
			p := &r.Item.samples[i]
			at := sampleAt{seq, relational.ToText(p.ID)}
			if _, twice := all[at]; twice {
				continue
			}
			all[at] = given{r.Item, p}
			rows.add(append([]any{r.Item.key.Project, seq}, p.Columns...))
		}
	}
	fresh := &additions{counts: map[int64]*relational.Counts{}, known: map[promptKey]bool{}}
	if len(all) == 0 {
		return fresh, nil
	}
	kept, err := conn.Query(ctx, insertSamples, rows.args()...)
	if err != nil {
		return nil, err
	}
	var at sampleAt
	var transcript int64
	_, err = pgx.ForEachRow(kept, []any{&at.run, &at.id, &transcript}, func() error {
		g, ok := all[at]
		if !ok {
			return fmt.Errorf("the database has changed the name of a sample")
		}
		g.item.inserted++
		fresh.add(g.item.key.Project, at.run, transcript, g.sample)
		return nil
	})
	return fresh, err
}

// additions is what new samples bring beside their own rows.
type additions struct {
	counts                   map[int64]*relational.Counts
	known                    map[promptKey]bool
	prompts, texts, verdicts columns
}

type promptKey struct {
	run    int64
	digest [sha256.Size]byte
}

func (a *additions) add(project string, run, transcript int64, p *relational.Sample) {
	if a.counts[run] == nil {
		a.counts[run] = &relational.Counts{}
	}
	a.counts[run].Add(p.Counts)
	a.texts.add([]any{project, transcript, p.Body})
	if v := p.Verdict; v != nil {
		a.verdicts.add([]any{project, run, transcript, v.ID, v.Created, v.Body})
	}
	for _, m := range p.Prompts {
		if key := (promptKey{run, m.Digest}); !a.known[key] {
			a.known[key] = true
			a.prompts.add([]any{project, run, m.Digest[:], m.Body})
		}
	}
}

// writeAndCommit writes them and commits, in one round trip.
func (a *additions) writeAndCommit(ctx context.Context, conn *pgxpool.Conn) error {
	var b pgx.Batch
	for _, t := range []struct {
		query string
		rows  *columns
	}{{insertTexts, &a.texts}, {insertVerdicts, &a.verdicts}, {insertPrompts, &a.prompts}} {
		if t.rows.n > 0 {
			b.Queue(t.query, t.rows.args()...)
		}
	}
	for run, counts := range a.counts {
		b.Queue(number(relational.AddCounts), counts.Args(run)...)
	}
	b.Queue("COMMIT")
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("texts, verdicts and counters: %w", err)
	}
	return nil
}

// columns gathers rows as an array for each column.
type columns struct {
	n      int
	arrays []any
}

// add adds a row, whose values have the types of the first one's.
func (c *columns) add(row []any) {
	if c.arrays == nil {
		c.arrays = make([]any, len(row))
	}
	c.n++
	for i, value := range row {
		switch v := value.(type) {
		case string:
			c.arrays[i] = with(c.arrays[i], relational.ToText(v))
		case sql.NullString:
			var p *string
			if v.Valid {
				text := relational.ToText(v.String)
				p = &text
			}
			c.arrays[i] = with(c.arrays[i], p)
		case int:
			c.arrays[i] = with(c.arrays[i], int64(v))
		case int64:
			c.arrays[i] = with(c.arrays[i], v)
		case bool:
			c.arrays[i] = with(c.arrays[i], v)
		case []byte:
			if v == nil {
				v = []byte{} // empty, and not NULL
			}
			c.arrays[i] = with(c.arrays[i], v)
		default:
			panic(fmt.Sprintf("postgres: no column takes a %T", value))
		}
	}
}

func with[T any](array any, v T) []T {
	a, _ := array.([]T)
	return append(a, v)
}

func (c *columns) args() []any { return c.arrays }
