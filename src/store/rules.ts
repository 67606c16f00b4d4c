import type { PermissionRule, RuleScope } from "../protocol/permission.ts";

/** A row of the table `permission_rules`. */
export interface RuleRow {
  id: string;
  scope: string;
  mission_id: string | null;
  directory: string | null;
  permission: string;
  pattern: string;
  created_at: number;
}

export function toRule(row: RuleRow): PermissionRule {
  return {
    id: row.id,
    scope: row.scope as RuleScope,
    ...(row.mission_id !== null && { missionId: row.mission_id }),
    ...(row.directory !== null && { directory: row.directory }),
    permission: row.permission,
    pattern: row.pattern,
    createdAt: row.created_at,
  };
}
