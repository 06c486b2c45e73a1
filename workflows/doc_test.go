package workflows_test

import (
	"go/parser"
	"go/token"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/workflows"
)

type names []string

func (n *names) RegisterWorkflowWithOptions(_ any, options workflow.RegisterOptions) {
	*n = append(*n, options.Name)
}

// The package comment is the list of what there is: nothing is missing in it.
func TestThePackageCommentListsEverything(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	doc := file.Doc.Text()
	listed := names{
		workflows.UpdateStart, workflows.UpdateStop, workflows.UpdatePause, workflows.UpdateResume, workflows.UpdateSyncNow,
		workflows.UpdateRequestBackfill, workflows.UpdateCancelBackfill, workflows.UpdateApplyConfig, workflows.UpdateApprove, workflows.UpdateDeleteStrays,
		workflows.UpdateRequestRollback, workflows.UpdateRelease,
		workflows.QueryStatus, workflows.QueryProgress, workflows.SignalControl, workflows.SignalRepair, workflows.SignalWake,
	}
	workflows.Register(&listed)
	for _, name := range listed {
		require.Regexp(t, `\b`+regexp.QuoteMeta(name)+`\b`, doc)
	}
}
