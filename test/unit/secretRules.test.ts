import { json, plainKey as key, say, type Case } from "../fake/ruleCases.ts";

const cases: readonly Case[] = [
  {
    says: "A value that is to be encrypted is",
    code: "plain-secret",
    severity: "warning",
    path: "workspace-template/login.json",
    text: '{ "env_vars": { "DB_LOGIN": "hunter2" }, "encrypted_keys": ["DB_LOGIN"] }',
    fix: "Encrypt It When the File Is Saved",
    fixed: '{ "env_vars": { "DB_LOGIN": "<encrypted>hunter2</encrypted>" }, "encrypted_keys": ["DB_LOGIN"] }',
  },
  {
    says: "An argument of an MCP server holds no secret",
    code: "plain-secret",
    severity: "warning",
    path: "mcp/servers.json",
    text: `{ "a": { "type": "local", "command": ["x", "--key=${key}"] } }`,
    fixed: `{ "a": { "type": "local", "command": ["x", "--key=<encrypted>${key}</encrypted>"] } }`,
  },
  {
    says: "An address holds no secret",
    code: "plain-secret",
    severity: "warning",
    path: "mcp/servers.json",
    text: '{ "a": { "type": "remote", "url": "https://example.org/mcp?api_key=q8Zk3Vn0TtYw71Lx&b=c" } }',
    fixed:
      '{ "a": { "type": "remote", "url": "https://example.org/mcp?api_key=<encrypted>q8Zk3Vn0TtYw71Lx</encrypted>&b=c" } }',
  },
  {
    says: "A rule holds no secret",
    code: "plain-secret",
    severity: "warning",
    path: "rule/style.md",
    text: `Use the key \`${key}\` there.\n`,
    fixed: `Use the key \`<encrypted>${key}</encrypted>\` there.\n`,
  },
  {
    says: "An init script holds no private key",
    code: "plain-secret",
    severity: "warning",
    path: "init-script/base/SCRIPT.sh",
    text: `echo '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB\n'\n`,
  },
  {
    says: "What is marked to be encrypted in Markdown is not yet",
    code: "unsealed-mark",
    severity: "warning",
    path: "skill/login/SKILL.md",
    text: "---\nname: login\ndescription: x\n---\nSay <encrypted>hush</encrypted>.\n",
  },
  {
    says: "What is marked to be encrypted in JSON is not yet",
    code: "unsealed-mark",
    severity: "warning",
    path: "mcp/servers.json",
    text: json({ a: { type: "local", command: ["x"], env: { A: "<encrypted>hush</encrypted>" } } }),
  },
  {
    says: "Nothing opens a value in an init script",
    code: "sealed-closed",
    severity: "error",
    path: "init-script/base/SCRIPT.sh",
    text: 'export A=<encrypted v="1">AAAA</encrypted>\n',
  },
  {
    says: "Nothing opens a value in a tool",
    code: "sealed-closed",
    severity: "error",
    path: "tool/call.ts",
    text: 'const a = "<encrypted v=\\"1\\">AAAA</encrypted>";\n',
  },
  {
    says: "Nothing opens a value of a template besides its variables",
    code: "sealed-closed",
    severity: "error",
    path: "workspace-template/t.json",
    text: json({
      env_vars: { A: '<encrypted v="1">AAAA</encrypted>' },
      init_script: '<encrypted v="1">AAAA</encrypted>',
    }),
  },
];

describe("The rules of a Library about secrets", () => {
  for (const one of cases) say(one);
});
