package commands

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const (
	contacts = "/dynamics/tables/contacts"
	profiles = "/campaign/resources/profile"
)

func newEdit() *cobra.Command {
	cmd := &cobra.Command{Use: "edit", Short: "Change a record as somebody at work in Dynamics or Campaign would"}
	cmd.AddCommand(
		newEditOf("contact", contacts, "Change a contact in Dynamics; without an id, the first one",
			`  sandbox edit contact --set jobtitle=Captain --set address1_city=Farsund
  sandbox edit contact 6f1d… --set statecode=1 --set emailaddress1=null`),
		newEditOf("profile", profiles, "Change a profile in Campaign; without an id, that of the first contact",
			`  sandbox edit profile --set blackListEmail=true
  sandbox edit profile 6f1d… --set firstName=Ann`))
	return cmd
}

func newEditOf(what, folder, short, example string) *cobra.Command {
	var a admin
	var set []string
	cmd := &cobra.Command{
		Use: what + " [id]", Short: short, Example: example,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return edit(cmd.Context(), cmd.OutOrStdout(), &a, what, folder, strings.Join(args, ""), set)
		},
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "column=value; value is JSON (null, true, 3) or plain text (repeatable)")
	a.flag(cmd.Flags())
	return cmd
}

// edit changes a record and prints what differs afterwards. The id of a profile is that
// of its contact.
func edit(ctx context.Context, out io.Writer, a *admin, what, folder, id string, set []string) error {
	values, err := parseSet(set)
	if err != nil {
		return err
	}
	if id == "" {
		if id, err = firstContact(ctx, a); err != nil {
			return err
		}
	}
	path := folder + "/" + url.PathEscape(id)
	var before, after map[string]any
	if err := a.call(ctx, http.MethodGet, path, nil, &before); err != nil {
		return fmt.Errorf("%s %s: %w", what, id, err)
	}
	if err := a.call(ctx, http.MethodPatch, path, values, &after); err != nil {
		return fmt.Errorf("%s %s: %w", what, id, err)
	}
	fmt.Fprintf(out, "%s %s\n", what, id)
	for _, column := range slices.Sorted(maps.Keys(after)) {
		if was, is := show(before[column]), show(after[column]); was != is {
			fmt.Fprintf(out, "  %s: %s -> %s\n", column, was, is)
		}
	}
	return nil
}

func firstContact(ctx context.Context, a *admin) (string, error) {
	var list struct {
		First string `json:"first"`
	}
	if err := a.call(ctx, http.MethodGet, contacts, nil, &list); err != nil {
		return "", err
	}
	if list.First == "" {
		return "", inputError("there is no contact; add one with `sandbox add contact`")
	}
	return list.First, nil
}
