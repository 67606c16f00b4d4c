/** The orchestrator's public face. */
export { Core } from "./core.ts";
export type { DesktopView } from "./desktops.ts";
export type { CommandInput, CommandName, CommandResult } from "./commands.ts";
export { readToolInput } from "./toolInputs.ts";
export { fileSecrets, type SecretStore } from "./secrets.ts";
export { withLibraryKey } from "./libraryKey.ts";
export { newKey } from "../library/sealed.ts";
export { gitSource } from "../library/gitSource.ts";
export { gather, land, type Candidate, type Gathered, type ImportSource } from "../library/importing.ts";
export { shareFolder, sharedName, shareItem, type Shared } from "../library/sharing.ts";
export { parseFrontMatter } from "../library/frontMatter.ts";
export { paramsOf } from "../library/params.ts";
export {
  deleteItem,
  deleteSkillFile,
  filesOf,
  isReallyWithin,
  listItems,
  migrateFolders,
  readItem,
  readSkillFile,
  requireWithin,
  writeItem,
  writeSkillFile,
  type Item as StoredItem,
} from "../library/items.ts";
export { jsonOver, readJsonFile, writeJson } from "../library/jsonFiles.ts";
export { requireServers } from "../library/servers.ts";
export { containersIn, dataPaths, type DataPaths } from "./dataFolder.ts";
export { nativeBindingIn } from "../store/nativeBinding.ts";
export type { Endpoint as ModelEndpoint } from "./endpoints.ts";
export type { Choices, CommandChoice, LoginField, LoginMethod, ModelChoice, Provider } from "../opencode/engine.ts";
export { codeIn, openRedirectDesk, redirectOf } from "../opencode/mcpLogin.ts";
export { exportFormats, exportMission, type ExportFormat } from "./exporting.ts";
export {
  editorFiles,
  editorServers,
  readEditorServers,
  translatedServer,
  type EditorServer,
} from "../library/editorServers.ts";
export { Catalogue, type Item, type Reference } from "../library/catalogue.ts";
export type { Fix, Problem, TextEdit } from "../library/analysis.ts";
export { edited } from "../library/edits.ts";
export { complete, type Completion } from "../library/completing.ts";
export { hover } from "../library/hovering.ts";
export { creatableKinds, newItem, type CreatableKind } from "../library/newItem.ts";
export { editsOfShared } from "../library/sharedFiles.ts";
export { nameProblem, ownNameEdits, rename, type Renaming } from "../library/renaming.ts";
export { cloneLibrary, initLibrary, isFree, remoteBranches, type RemoteBranches } from "../library/cloning.ts";
export { wrongUrl, type GitOptions, type GitProgress } from "../library/git.ts";
export { Repository } from "../library/repository.ts";
export type { Operation, RepositoryStatus } from "../library/repositoryState.ts";
export { openedIn, openedPlaces, unsealedIn } from "../library/secretRules.ts";
export { placeOf } from "../library/layout.ts";
export { createFromStarter } from "../library/starter.ts";
export type { JoinOutcome, PullOutcome } from "../library/syncing.ts";
export { findDevContainers } from "../workspace/devContainer.ts";
export { PassingHand, type Grip } from "../desktop/passingHand.ts";
export { PictureStream } from "../desktop/pictureStream.ts";
export { click, pressKeys, scroll, typeText, type Place } from "../desktop/hands.ts";
export { buttons } from "../desktop/rfb.ts";
export type { Pixels } from "../desktop/png.ts";
export type { FoundDesktop } from "./desktops.ts";
