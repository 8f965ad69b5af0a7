package oidc_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Suite{M: m}) }
