package ledger_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(postgres.Main(m)) }
