package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/unmask-eval/unmask/internal/store/relational"
)

//go:embed migrations/*.sql
var migrations embed.FS

// versions is the table that says which migrations were applied. It is not
// goose's default, which another program in the database may use.
const versions = "unmask_schema_versions"

// migrateLock is the advisory lock of migrations, "unmask" in ASCII.
const migrateLock = 0x756e6d61736b

// Migrate brings the schema of a database up to date and returns its version
// before and after. Of several at once, one does the work and the others wait
// for it. A database that a newer version of this program has migrated is a
// *relational.SchemaError.
func Migrate(ctx context.Context, databaseURL string) (from, to int64, err error) {
	c, err := parse(databaseURL)
	if err != nil {
		return 0, 0, fmt.Errorf("database URL: %w", err)
	}
	what := "migrate " + place(c.ConnConfig)
	db := stdlib.OpenDB(*c.ConnConfig)
	defer func() { err = errors.Join(err, db.Close()) }()
	var encoding string
	if err := db.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", what, err)
	}
	if encoding != "UTF8" {
		return 0, 0, fmt.Errorf("%s: the database's encoding is %s and has to be UTF8", what, encoding)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrateLock), lock.WithLockTimeout(1, 300))
	if err != nil {
		return 0, 0, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, 0, err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()), goose.WithTableName(versions), goose.WithSessionLocker(locker))
	if err != nil {
		return 0, 0, err
	}
	from, to, err = p.GetVersions(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: read schema version: %w", what, err)
	}
	if from > to {
		return 0, 0, fmt.Errorf("%s: %w", what, &relational.SchemaError{Have: from, Want: to})
	}
	if _, err := p.Up(ctx); err != nil {
		return 0, 0, fmt.Errorf("%s from schema version %d to %d: %w", what, from, to, err)
	}
	return from, to, nil
}

// wantedVersion is the schema version that this binary works with.
func wantedVersion() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	var last int64
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, err
		}
		last = max(last, v)
	}
	return last, nil
}

// schemaVersion reads the version that the database has now, 0 for none.
func schemaVersion(q relational.Querier) (version int64, err error) {
	err = q.Row("SELECT coalesce(max(version_id), 0) FROM " + versions + " WHERE is_applied").Scan(&version)
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == undefinedTable {
		return 0, nil
	}
	return version, err
}
