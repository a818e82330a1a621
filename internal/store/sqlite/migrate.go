package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/unmask-eval/unmask/internal/store/relational"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID stands in the header of our files ("Unmk"), so that another
// program's database is never migrated by mistake.
const applicationID = 0x556e6d6b

// ErrForeign says that the file is a database of another program.
var ErrForeign = errors.New("the file is not an unmask database")

// identify refuses a file that is not ours, without changing anything in it. A
// file without content is ours, whether SQLite has given it a header or not.
func identify(ctx context.Context, path string, busy time.Duration) (err error) {
	db, err := sql.Open("sqlite", plainDSN(path, busy))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	var id, objects int64
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&objects); err != nil {
		return err
	}
	if id != applicationID && (id != 0 || objects != 0) {
		return ErrForeign
	}
	return nil
}

// Migrate brings the schema of a file up to date, as Open does, and returns its
// version before and after; a file that is not there is made.
func Migrate(ctx context.Context, c Config) (from, to int64, err error) {
	s, err := Open(ctx, c)
	if err != nil {
		return 0, 0, err
	}
	return s.before, s.schema, s.Close(ctx)
}

// migrate marks the file as ours, brings its schema up to date and returns the
// schema's version before and after.
func migrate(ctx context.Context, db *sql.DB) (from, to int64, err error) {
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return 0, 0, fmt.Errorf("mark the file: %w", err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, 0, err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return 0, 0, err
	}
	from, to, err = p.GetVersions(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read schema version: %w", err)
	}
	if from > to {
		return 0, 0, &relational.SchemaError{Have: from, Want: to}
	}
	if _, err := p.Up(ctx); err != nil {
		return 0, 0, fmt.Errorf("migrate schema from version %d to %d: %w", from, to, err)
	}
	return from, to, nil
}

// schemaVersion reads the version that the file has now.
func schemaVersion(q relational.Querier) (version int64, err error) {
	err = q.Row("SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&version)
	return version, err
}
