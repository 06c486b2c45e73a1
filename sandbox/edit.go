package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/sandbox/kit"
)

// admin talks to a running sandbox's admin API.
type admin struct{ base string }

func (a *admin) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.base, "admin", "http://127.0.0.1:8445", "admin API of the running sandbox")
}

// call sends in (nil for none) and decodes the answer into out (nil to drop it).
func (a *admin) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return fmt.Errorf("--admin %s: %w", a.base, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no sandbox answers at %s; is it running, and is --admin right?", a.base)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		var refused struct{ Error string }
		_ = json.NewDecoder(res.Body).Decode(&refused)
		return fmt.Errorf("refused (%d): %s", res.StatusCode, refused.Error)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

const contacts = "/dynamics/tables/contacts"

// first is the id given, or that of the first contact.
func (a *admin) first(ctx context.Context, args []string) (string, error) {
	if len(args) == 2 {
		return args[1], nil
	}
	var table struct{ First string }
	if err := a.call(ctx, http.MethodGet, contacts, nil, &table); err != nil {
		return "", err
	}
	if table.First == "" {
		return "", fmt.Errorf("there are no contacts")
	}
	return table.First, nil
}

// values reads column=value pairs: numbers, true, false and null as such.
func values(pairs []string) (map[string]any, error) {
	out := map[string]any{}
	for _, p := range pairs {
		name, text, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--set %s: want column=value", p)
		}
		switch n, err := strconv.ParseInt(text, 10, 64); {
		case text == "true", text == "false":
			out[name] = text == "true"
		case text == "null":
			out[name] = nil
		case err == nil && strings.HasSuffix(name, "code") && !strings.Contains(name, "postal"):
			out[name] = n // a choice
		default:
			out[name] = text
		}
	}
	return out, nil
}

func onlyContact(min, max int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < min || len(args) > max || args[0] != "contact" {
			return fmt.Errorf("got %q, want contact and an optional id", strings.Join(args, " "))
		}
		return nil
	}
}

func editCommand() *cobra.Command {
	var a admin
	var set []string
	cmd := &cobra.Command{
		Use: "edit contact [id] --set column=value", Short: "Change a contact in Dynamics; without id the first one",
		Args: onlyContact(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := values(set)
			if err != nil {
				return err
			}
			id, err := a.first(cmd.Context(), args)
			if err != nil {
				return err
			}
			var row map[string]any
			if err := a.call(cmd.Context(), http.MethodPatch, contacts+"/"+id, change, &row); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "contact %s changed: %s\n", id, strings.Join(set, ", "))
			return nil
		},
	}
	a.flag(cmd)
	cmd.Flags().StringArrayVar(&set, "set", nil, "column=value; repeat for more")
	_ = cmd.MarkFlagRequired("set")
	return cmd
}

func addCommand() *cobra.Command {
	var a admin
	var set []string
	cmd := &cobra.Command{
		Use: "add contact --set lastname=…", Short: "Add a contact to Dynamics", Args: onlyContact(1, 1),
		RunE: func(cmd *cobra.Command, _ []string) error {
			row, err := values(set)
			if err != nil {
				return err
			}
			var added struct{ ID string }
			if err := a.call(cmd.Context(), http.MethodPost, contacts, row, &added); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "contact %s added\n", added.ID)
			return nil
		},
	}
	a.flag(cmd)
	cmd.Flags().StringArrayVar(&set, "set", nil, "column=value; repeat for more")
	return cmd
}

func deleteCommand() *cobra.Command {
	var a admin
	cmd := &cobra.Command{
		Use: "delete contact id", Short: "Delete a contact in Dynamics", Args: onlyContact(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.call(cmd.Context(), http.MethodDelete, contacts+"/"+args[1], nil, nil); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "contact %s deleted\n", args[1])
			return nil
		},
	}
	a.flag(cmd)
	return cmd
}

func showCommand() *cobra.Command {
	var a admin
	cmd := &cobra.Command{
		Use: "show {contact|profile} id", Short: "Show a contact of Dynamics or a profile of Campaign", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := map[string]string{"contact": contacts, "profile": "/campaign/resources/profile"}[args[0]]
			if path == "" {
				return fmt.Errorf("got %q, want contact or profile", args[0])
			}
			var row map[string]any
			if err := a.call(cmd.Context(), http.MethodGet, path+"/"+url.PathEscape(args[1]), nil, &row); err != nil {
				return err
			}
			out := json.NewEncoder(cmd.OutOrStdout())
			out.SetIndent("", "  ")
			return out.Encode(row)
		},
	}
	a.flag(cmd)
	return cmd
}

func faultCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "fault", Short: "Script faults: add, list, clear"}
	var a admin
	add := &cobra.Command{
		Use: "add JSON", Short: "Arm a fault", Args: cobra.ExactArgs(1),
		Example: `  sandbox fault add '{"service":"campaign","action":"respond","status":503,"probability":0.05}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var rule kit.Rule
			if err := json.Unmarshal([]byte(args[0]), &rule); err != nil {
				return fmt.Errorf("the fault: %w", err)
			}
			var armed struct{ ID string }
			if err := a.call(cmd.Context(), http.MethodPost, "/faults", rule, &armed); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s armed\n", armed.ID)
			return nil
		},
	}
	list := &cobra.Command{
		Use: "list", Short: "List armed faults and how often they hit", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var rules []kit.Rule
			if err := a.call(cmd.Context(), http.MethodGet, "/faults", nil, &rules); err != nil {
				return err
			}
			for _, r := range rules {
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s %s  %s %s  hits %d\n", r.ID, r.Service, r.Method, r.Path, r.Action, r.Name, r.Hits)
			}
			return nil
		},
	}
	clear := &cobra.Command{
		Use: "clear [id]", Short: "Disarm one fault, or all", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.call(cmd.Context(), http.MethodDelete, "/faults?id="+url.QueryEscape(strings.Join(args, "")), nil, nil)
		},
	}
	for _, c := range []*cobra.Command{add, list, clear} {
		a.flag(c)
		cmd.AddCommand(c)
	}
	return cmd
}

func clockCommand() *cobra.Command {
	var a admin
	cmd := &cobra.Command{
		Use: "clock advance DURATION", Short: "Move the sandbox's clock, such as by 192h, so that tokens and links expire", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var now struct{ Now string }
			if err := a.call(cmd.Context(), http.MethodPost, "/clock?advance="+url.QueryEscape(args[1]), nil, &now); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the sandbox's time is "+now.Now)
			return nil
		},
	}
	a.flag(cmd)
	return cmd
}
