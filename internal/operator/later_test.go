package operator

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"causeway.dev/config"
)

// gate is a Temporal server that answers everybody alike.
type gate struct {
	workflowservice.UnimplementedWorkflowServiceServer
	answer error
}

func (g gate) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return nil, g.answer
}

// Whether waiting helps is decided by what the server says, and by nothing else.
func TestAServerThatIsNotReadyMayAnswerLater(t *testing.T) {
	for name, c := range map[string]struct {
		answer error
		later  bool
		want   string
	}{
		"it has just been started": {status.Error(codes.Unavailable, "Frontend is not healthy yet"), true, "Frontend is not healthy yet"},
		"it lets nobody in":        {status.Error(codes.PermissionDenied, "Request unauthorized."), false, "does not let you in (Request unauthorized.)"},
		"it knows nobody":          {status.Error(codes.Unauthenticated, "no token"), false, "check the API key or certificate"},
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := grpc.NewServer()
		workflowservice.RegisterWorkflowServiceServer(server, gate{answer: c.answer})
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(server.Stop)
		_, err = Connect(t.Context(), Address{File: config.Temporal{}, HostPort: listener.Addr().String()})
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, Unreachable, KindOf(err), name)
		require.Equal(t, c.later, MayAnswerLater(err), name)
	}
	require.False(t, MayAnswerLater(nil))
	require.False(t, MayAnswerLater(failed("something else")))
}
