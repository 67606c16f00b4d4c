/**
 * The command of an MCP server that needs nothing but a shell. Its tool `where` says what its machine is called, and what
 * it finds in its environment: COLOUR, and the length of ANTHROPIC_API_KEY.
 */
export const placeServer = [
  "sh",
  "-c",
  String.raw`
while IFS= read -r line; do
  id=$(printf %s "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case $line in
    *'"initialize"'*) result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"place","version":"1"}}' ;;
    *'"tools/list"'*) result='{"tools":[{"name":"where","description":"Says where it runs.","inputSchema":{"type":"object","properties":{}}}]}' ;;
    *'"tools/call"'*)
      words="on $(uname -n), colour $COLOUR, key $(printf %s "$ANTHROPIC_API_KEY" | wc -c | tr -d ' ')"
      result='{"content":[{"type":"text","text":"'$words'"}]}' ;;
    *) result='{}' ;;
  esac
  [ -z "$id" ] || printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
`,
];
