import * as vscode from "vscode";

/** For what cannot be done with a file. */
export function refuse(uri: vscode.Uri): never {
  throw vscode.FileSystemError.NoPermissions(uri);
}

/** What a file system says whose files are neither made nor taken away by the editor, nor watched. */
export const fixedFiles = {
  watch: () => new vscode.Disposable(() => undefined),
  createDirectory: refuse,
  delete: refuse,
  rename: refuse,
};
