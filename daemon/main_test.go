package daemon

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

// tests closes the connections that the tests' client keeps, before goroutines
// are counted.
type tests struct{ *testing.M }

// Run runs the tests.
func (t tests) Run() int {
	defer http.DefaultClient.CloseIdleConnections()
	return t.M.Run()
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(tests{m})
}
