// Placement groups: all of them (map, breakdown, table), or one of them at its own address.

import { Route, Switch } from "wouter";
import { GroupPage } from "./GroupPage";
import { GroupsAll } from "./GroupsAll";

export default function GroupsPage() {
  return (
    <Switch>
      <Route path="/groups/:id">{({ id }) => <GroupPage key={id} id={id} />}</Route>
      <Route>
        <GroupsAll />
      </Route>
    </Switch>
  );
}
