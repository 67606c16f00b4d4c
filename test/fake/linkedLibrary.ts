const skill = (name: string, more = "", body = "Do it.\n") =>
  `---\nname: ${name}\ndescription: Does this.\n${more}---\n${body}`;

/** One item of each kind, all of which name each other. */
export const linked: Readonly<Record<string, string>> = {
  "skill/greet/SKILL.md": skill(
    "greet",
    "x-own: 1 # ours\n",
    "Then the `wave-hand` skill. [Words](../wave-hand/words.md)\n",
  ),
  "skill/greet/references/more.md": "See [waving](../../wave-hand/SKILL.md) and `../scripts/x`.\n",
  "skill/wave-hand/SKILL.md": skill("wave-hand", "", "Call /release now.\n"),
  "command/release.md": "---\nagent: 'keeper' # who\n---\nAsk @keeper, load skill/wave-hand, mind the rule “house”.\n",
  "agent/keeper.md":
    '---\n# who\ntools: # old\n  adder: false\n  files_read: true\npermission:\n  "files_*": deny # all\n  skill:\n    wave-hand: deny\nrules: [house, "house"]\n---\nRun `/release`.\n',
  "tool/adder.ts": "/** Adds. */\n",
  "rule/house.md": "The agent keeper runs /release. Not /release/x or a/release or @keeper.\n",
  "mcp/servers.json": '{\n  "files": { "type": "local", "command": ["x"] }\n}\n',
  "plugins.json": '{ "extra": { "package": "x" } }',
  "workspace-template/web.json":
    '{\n  "name": "web",\n  "own": true,\n  "skills": ["wave-hand", "greet"],\n  "tools": ["adder"],\n  "mcps": ["files"],\n  "plugins": ["extra"],\n  "init_scripts": ["base"]\n}\n',
  "init-script/base/SCRIPT.sh": "# Description: Base.\n",
  "openagent/config.json": '{ "hidden_agents": ["build", "keeper"], "default_agent": "keeper" }',
};
